// SPDX-License-Identifier: Apache-2.0
// A daemon run by an ordinary user, mounting through fusermount3.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "mount/model_folder.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

/// Where only root may open /dev/fuse, gives this process a mount namespace in which everybody may, as on most machines.
std::string open_fuse_to_everybody(const TempDir& dir) {
  struct stat status{};
  if (::stat("/dev/fuse", &status) != 0) return "there is no /dev/fuse here";
  if ((status.st_mode & 0666) == 0666) return {};
  const std::string node = dir.path("fuse");
  const bool is_made = ::mknod(node.c_str(), S_IFCHR | 0666, status.st_rdev) == 0 && ::chmod(node.c_str(), 0666) == 0;
  if (!is_made || ::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount(node.c_str(), "/dev/fuse", nullptr, MS_BIND, nullptr) != 0) {
    return std::string("only root may open /dev/fuse here: ") + std::strerror(errno);
  }
  return {};
}

class OrdinaryUserTest : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
    const std::string mounter = find_program("fusermount3");
    struct stat status{};
    if (mounter.empty() || ::stat(mounter.c_str(), &status) != 0 || (status.st_mode & S_ISUID) == 0) {
      GTEST_SKIP() << "there is no setuid fusermount3 here";
    }
    if (run_program({daemon_program(), "--help"}, std::chrono::seconds(20), kNobody).exit_code == 126 + 1) {
      GTEST_SKIP() << "the build folder cannot be entered by another user";
    }
    const std::string why = open_fuse_to_everybody(dir_);
    if (!why.empty()) GTEST_SKIP() << why;
  }

 private:
  TempDir dir_;
};

TEST_F(OrdinaryUserTest, MountsReadsWritesAndCaches) {
  TestMount mount({.run_as = kNobody});
  const Model model = add_model(mount, "model");
  ASSERT_NO_FATAL_FAILURE(mount.start());
  Place as_seen(mount.mountpoint());
  as_seen.as_user(kNobody, kNobody, {}, [&](Place& there) {
    there.note(load_in_order(model) ? "read" : "not read");
    there.make_file("written", "by an ordinary user");
    there.note_content("written", "written");
    there.note_stat("written", "written");
  });
  const Transcript wanted{"  child: read", "  child: written: content \"by an ordinary user\"",
                          "  child: written, lstat = 0",
                          "  child: written: mode 100644 links 1 owner 65534:65534 size 19", "  child ended 0"};
  EXPECT_EQ(first_difference(as_seen.transcript(), wanted), "");
  EXPECT_EQ(content_of(mount.from("written")), "by an ordinary user");
  mount.wait_resident("model");
  EXPECT_EQ(origin_bytes_of(mount,
                            [&] {
                              as_seen.as_user(kNobody, kNobody, {}, [&](Place& there) {
                                there.note(load_in_order(model) ? "read" : "not read");
                              });
                            }),
            0U);
  mount.stop();
}

}  // namespace
}  // namespace arenacache::test
