// SPDX-License-Identifier: Apache-2.0
// How a daemon comes up, or does not: in the background, as an ordinary user, with wrong arguments, before a hung folder.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "arenacache/base/unique_fd.h"
#include "hung_folder.h"
#include "running_daemon.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::daemon {
namespace {

/// A mount namespace of this test's own, in which every user may open /dev/fuse, as on most machines but not on all.
bool open_fuse_to_all(const test::TempDir& folder) {
  const std::string node = folder.path("fuse");
  struct stat device{};
  return ::stat("/dev/fuse", &device) == 0 && ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mknod(node.c_str(), S_IFCHR | 0666, device.st_rdev) == 0 && ::chmod(node.c_str(), 0666) == 0 &&
         ::mount(node.c_str(), "/dev/fuse", nullptr, MS_BIND, nullptr) == 0;
}

class KeeperStart : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_mount()) GTEST_SKIP() << "needs root and /dev/fuse";
  }

  void expect_exit(int code) {
    const auto status = daemon_.wait_for_exit();
    ASSERT_TRUE(status.has_value()) << daemon_.log();
    EXPECT_EQ(status->code, code) << status->describe();
  }

  RunningDaemon daemon_;
};

TEST_F(KeeperStart, InTheBackgroundItReturnsOnceItServes) {
  daemon_.start(daemon_.usual_arguments(), Notify::nobody);
  expect_exit(0);
  EXPECT_EQ(daemon_.read_hello(), "from the source");
  const auto orphans = RunningDaemon::children_of(::getpid());
  ASSERT_EQ(orphans.size(), 1U);
  // Whoever reads the output through a pipe sees its end although the daemon lives.
  EXPECT_FALSE(daemon_.wait_for_log("this is never said"));
  ::kill(orphans.front(), SIGTERM);
  EXPECT_TRUE(RunningDaemon::wait_until_gone(orphans.front()));
  EXPECT_FALSE(daemon_.is_mounted());
}

TEST_F(KeeperStart, InTheBackgroundAFailureIsTold) {
  daemon_.folder().write_file("source/refuse", "");
  daemon_.start(daemon_.usual_arguments(), Notify::nobody);
  expect_exit(1);
  EXPECT_TRUE(daemon_.wait_for_log("cannot open the store: refused by the test"));
  for (const pid_t orphan : RunningDaemon::children_of(::getpid())) {
    EXPECT_TRUE(RunningDaemon::wait_until_gone(orphan));
  }
  EXPECT_FALSE(daemon_.is_mounted());
}

TEST_F(KeeperStart, AWorkerThatCannotStartLeavesNothingMounted) {
  daemon_.folder().write_file("source/refuse", "");
  EXPECT_FALSE(daemon_.start_and_wait());
  expect_exit(1);
  EXPECT_TRUE(daemon_.wait_for_log("cannot open the store: refused by the test"));
  EXPECT_FALSE(daemon_.is_mounted());
}

TEST_F(KeeperStart, WrongArgumentsExitWithTwoAndASentence) {
  auto arguments = daemon_.usual_arguments();
  arguments[1] = daemon_.folder().path("no such folder");
  daemon_.start(arguments);
  expect_exit(2);
  EXPECT_TRUE(daemon_.wait_for_log("no such folder"));
  EXPECT_FALSE(daemon_.is_mounted());
}

TEST_F(KeeperStart, AnUnknownFlagExitsWithTwo) {
  auto arguments = daemon_.usual_arguments();
  arguments.emplace_back("--frobnicate");
  daemon_.start(arguments);
  expect_exit(2);
  EXPECT_TRUE(daemon_.wait_for_log("frobnicate"));
}

TEST_F(KeeperStart, CheckSaysYesAndMountsNothing) {
  auto arguments = daemon_.usual_arguments();
  arguments.emplace_back("--check");
  daemon_.start(arguments, Notify::nobody);
  expect_exit(0);
  EXPECT_FALSE(daemon_.is_mounted());
}

TEST_F(KeeperStart, ASecondDaemonOverTheSameFolderIsRefused) {
  daemon_.mount_over_source();
  ASSERT_TRUE(daemon_.start_and_wait());
  RunningDaemon second;
  second.start(daemon_.usual_arguments());
  const auto status = second.wait_for_exit();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 2);
  EXPECT_TRUE(second.wait_for_log("is served by another arenacached already"));
  EXPECT_EQ(daemon_.read_hello(), "from the source");
  daemon_.signal(SIGTERM);
  expect_exit(0);
}

TEST_F(KeeperStart, ASourceThatHangsDoesNotKeepItFromEnding) {
  const HungFolder hung(daemon_.folder().make_dir("hung"));
  ASSERT_TRUE(hung.is_up());
  auto arguments = daemon_.usual_arguments();
  arguments[1] = daemon_.folder().path("hung") + "/models";
  daemon_.start(arguments);
  ASSERT_TRUE(hung.is_asked());
  daemon_.signal(SIGTERM);
  expect_exit(0);
  EXPECT_FALSE(daemon_.is_mounted());
}

TEST_F(KeeperStart, ASourceThatHangsIsGivenUpWithASentence) {
  const HungFolder hung(daemon_.folder().make_dir("hung"));
  ASSERT_TRUE(hung.is_up());
  auto arguments = daemon_.usual_arguments();
  arguments[1] = daemon_.folder().path("hung") + "/models";
  arguments.insert(arguments.end(), {"--origin-timeout", "500ms"});
  daemon_.start(arguments);
  expect_exit(1);
  EXPECT_TRUE(daemon_.wait_for_log("hung/models has not answered within 5.0 s")) << daemon_.log();
  EXPECT_FALSE(daemon_.is_mounted());
}

TEST_F(KeeperStart, AnOrdinaryUserMountsThroughFusermount) {
  if (::access("/usr/bin/setpriv", X_OK) != 0 || ::access("/usr/bin/fusermount3", X_OK) != 0) {
    GTEST_SKIP() << "needs setpriv and fusermount3";
  }
  if (!open_fuse_to_all(daemon_.folder())) GTEST_SKIP() << "needs a mount namespace and a device node";
  daemon_.start_as_nobody();
  ASSERT_TRUE(daemon_.wait_until_ready()) << daemon_.wait_for_log("never said") << daemon_.log();
  EXPECT_TRUE(daemon_.is_mounted());
  auto reader = ChildProcess::call([this] {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
    return daemon_.read_hello() == "from the source" ? 0 : 2;
  });
  ASSERT_TRUE(reader.has_value());
  EXPECT_TRUE(RunningDaemon::wait_until_gone(reader->pid()));
  EXPECT_EQ(reader->try_reap()->code, 0);
  daemon_.signal(SIGTERM);
  expect_exit(0);
  EXPECT_FALSE(daemon_.is_mounted());
}

}  // namespace
}  // namespace arenacache::daemon
