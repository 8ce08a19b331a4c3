// SPDX-License-Identifier: Apache-2.0
// Where the mirror is not like a plain folder, and docs/semantics.md says so: each difference, shown.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mount/parity.h"
#include "mount/patterns.h"
#include "mount/test_mount.h"

namespace arenacache::test {
namespace {

using base::UniqueFd;

class DifferencesTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    mount_ = std::make_unique<TestMount>();
    mount_->start();
  }
  void TearDown() override { mount_.reset(); }
  [[nodiscard]] TestMount& mount() const { return *mount_; }

 private:
  std::unique_ptr<TestMount> mount_;
};

TEST_F(DifferencesTest, UnnamedTemporaryFilesWorkOrAreRefusedCleanly) {
  const UniqueFd fd(::open(mount().mountpoint().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd.is_open()) {
    EXPECT_EQ(errno_name(errno), "EOPNOTSUPP") << "programs fall back to a named file on this one";
    return;
  }
  EXPECT_EQ(::write(fd.get(), "abc", 3), 3);
}

TEST_F(DifferencesTest, CollapsingAndInsertingRangesIsRefused) {
  put_content(mount().at("file"), std::string(16384, 'c'));
  const UniqueFd fd(::open(mount().at("file").c_str(), O_RDWR | O_CLOEXEC));
  for (const int mode : {FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE}) {
    EXPECT_EQ(::fallocate(fd.get(), mode, 4096, 4096), -1);
    EXPECT_EQ(errno_name(errno), "EOPNOTSUPP");
  }
  EXPECT_EQ(content_of(mount().from("file")), std::string(16384, 'c'));
}

TEST_F(DifferencesTest, MountIsADeviceOfItsOwn) {
  struct stat inside{}, outside{};
  ASSERT_EQ(::stat(mount().mountpoint().c_str(), &inside), 0);
  ASSERT_EQ(::stat(mount().source().c_str(), &outside), 0);
  EXPECT_NE(inside.st_dev, outside.st_dev);
  put_content(mount().at("file"), "abc");
  EXPECT_EQ(::link(mount().at("file").c_str(), mount().from("link").c_str()), -1);
  EXPECT_EQ(errno, EXDEV);
  EXPECT_EQ(::rename(mount().at("file").c_str(), mount().from("moved").c_str()), -1);
  EXPECT_EQ(errno, EXDEV);
}

TEST_F(DifferencesTest, UnalignedDirectReadsWorkHere) {
  put_content(mount().at("file"), std::string(16384, 'd'));
  const UniqueFd fd(::open(mount().at("file").c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  ASSERT_TRUE(fd.is_open()) << std::strerror(errno);
  std::string buffer(1001, '\0');
  EXPECT_EQ(::pread(fd.get(), buffer.data() + 1, 1000, 7), 1000);
  EXPECT_EQ(buffer.substr(1), std::string(1000, 'd'));
}

TEST_F(DifferencesTest, LocksHoldForTheMountOnly) {
  put_content(mount().at("file"), "abc");
  const UniqueFd inside(::open(mount().at("file").c_str(), O_RDWR | O_CLOEXEC));
  const UniqueFd outside(::open(mount().from("file").c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock{};
  lock.l_type = F_WRLCK;
  EXPECT_EQ(::fcntl(inside.get(), F_OFD_SETLK, &lock), 0);
  EXPECT_EQ(::fcntl(outside.get(), F_OFD_SETLK, &lock), 0) << "a program on the source itself is not kept out";
}

TEST_F(DifferencesTest, LinkOutOfTheSourceIsFollowedByTheKernelNotByUs) {
  const TempDir elsewhere;
  elsewhere.write_file("model", "outside");
  ASSERT_EQ(::symlink(elsewhere.path().c_str(), mount().at("out").c_str()), 0);
  EXPECT_EQ(content_of(mount().at("out/model")), "outside");
  struct stat status{};
  ASSERT_EQ(::lstat(mount().at("out").c_str(), &status), 0);
  EXPECT_TRUE(S_ISLNK(status.st_mode));
  ASSERT_NO_FATAL_FAILURE(mount().restart());
  EXPECT_TRUE(TestMount::wait_for([&] { return mount().stats().text.find(elsewhere.path()) != std::string::npos; }))
      << "its owner is told of it in mounts[].links_out: " << mount().stats().text;
}

}  // namespace
}  // namespace arenacache::test
