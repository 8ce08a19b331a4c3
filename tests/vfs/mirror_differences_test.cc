// SPDX-License-Identifier: Apache-2.0
// Differences from a plain folder that the mirror itself makes, and docs/semantics.md tells; on a real mount.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mount/test_mount.h"

namespace arenacache::test {
namespace {

using base::UniqueFd;

class MirrorDifferencesTest : public MountTest {};

TEST_F(MirrorDifferencesTest, FileFlagsAreNotOurs) {
  TestMount mount;
  mount.start();
  std::ofstream(mount.at("file")) << "abc";
  const UniqueFd fd(::open(mount.at("file").c_str(), O_RDONLY | O_CLOEXEC));
  int flags = 0;
  EXPECT_EQ(::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags), -1);
  EXPECT_EQ(errno, ENOTTY);
}

TEST_F(MirrorDifferencesTest, FileWithoutANameShowsNoAttributes) {
  TestMount mount;
  mount.start();
  std::ofstream(mount.at("file")) << "abc";
  const UniqueFd fd(::open(mount.at("file").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::fsetxattr(fd.get(), "user.key", "value", 5, 0), 0);
  ASSERT_EQ(::unlink(mount.at("file").c_str()), 0);
  EXPECT_EQ(::fgetxattr(fd.get(), "user.key", nullptr, 0), -1);
  EXPECT_EQ(errno, ENODATA);
  EXPECT_EQ(::flistxattr(fd.get(), nullptr, 0), 0);
  EXPECT_EQ(::write(fd.get(), "def", 3), 3) << "all else goes on";
}

TEST_F(MirrorDifferencesTest, WatcherOnTheMountHearsOfTheMountsOwnChangesOnly) {
  TestMount mount;
  mount.start();
  const UniqueFd watcher(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  ASSERT_GE(::inotify_add_watch(watcher.get(), mount.mountpoint().c_str(), IN_CREATE), 0);
  std::ofstream(mount.from("behind")) << "abc";
  std::ofstream(mount.at("through")) << "abc";
  std::array<char, 4096> events{};
  const ssize_t got = ::read(watcher.get(), events.data(), events.size());
  ASSERT_GT(got, 0);
  const std::string heard(events.data(), static_cast<std::size_t>(got));
  EXPECT_NE(heard.find("through"), std::string::npos);
  EXPECT_EQ(heard.find("behind"), std::string::npos);
}

}  // namespace
}  // namespace arenacache::test
