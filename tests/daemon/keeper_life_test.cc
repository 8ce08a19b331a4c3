// SPDX-License-Identifier: Apache-2.0
// How a daemon that is up ends: told to, cut short, or by an accident; and that no mount is ever left.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include "arenacache/base/unique_fd.h"
#include "hung_folder.h"
#include "keeper.h"
#include "running_daemon.h"

namespace arenacache::daemon {
namespace {

using base::UniqueFd;

class KeeperLife : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_mount()) GTEST_SKIP() << "needs root and /dev/fuse";
  }

  void expect_exit(int code) {
    const auto status = daemon_.wait_for_exit();
    ASSERT_TRUE(status.has_value()) << daemon_.log();
    EXPECT_EQ(status->signal, 0) << status->describe();
    EXPECT_EQ(status->code, code);
    EXPECT_FALSE(daemon_.is_mounted());
  }

  [[nodiscard]] std::vector<std::string> with_foreground() const {
    auto arguments = daemon_.usual_arguments();
    arguments.emplace_back("--foreground");
    return arguments;
  }

  /// Waits until nothing is left of a child of the daemon.
  [[nodiscard]] static bool is_reaped(pid_t child) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (::kill(child, 0) == 0 && std::chrono::steady_clock::now() < deadline) ::poll(nullptr, 0, 5);
    return ::kill(child, 0) != 0 && errno == ESRCH;
  }

  /// Once a worker waits at the source's pipe "gate": it does until this end is closed again. Closed: none came.
  [[nodiscard]] UniqueFd open_gate() const {
    UniqueFd gate;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!gate.is_open() && std::chrono::steady_clock::now() < deadline) {
      ::poll(nullptr, 0, 5);
      gate = UniqueFd(::open((daemon_.source() + "/gate").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    }
    return gate;
  }

  RunningDaemon daemon_;
};

TEST_F(KeeperLife, ServesOnceReadyAndUnmountsOnSigterm) {
  ASSERT_TRUE(daemon_.start_and_wait());
  EXPECT_TRUE(daemon_.is_mounted());
  EXPECT_EQ(daemon_.read_hello(), "from the source");
  daemon_.signal(SIGTERM);
  expect_exit(0);
}

TEST_F(KeeperLife, SigintEndsItToo) {
  ASSERT_TRUE(daemon_.start_and_wait());
  daemon_.signal(SIGINT);
  expect_exit(0);
}

TEST_F(KeeperLife, UnmountsLazilyWhileAProgramHoldsAFile) {
  ASSERT_TRUE(daemon_.start_and_wait());
  const UniqueFd held(::open((daemon_.mountpoint() + "/hello").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(held.is_open());
  daemon_.signal(SIGTERM);
  expect_exit(0);
  EXPECT_TRUE(daemon_.wait_for_log("programs hold files of it open"));
  std::array<char, 16> bytes{};
  EXPECT_EQ(::pread(held.get(), bytes.data(), bytes.size(), 4096), -1);
  EXPECT_EQ(errno, ENOTCONN);
}

TEST_F(KeeperLife, MountsOverItsOwnSource) {
  daemon_.mount_over_source();
  ASSERT_TRUE(daemon_.start_and_wait());
  EXPECT_TRUE(daemon_.is_mounted());
  EXPECT_EQ(daemon_.read_hello(), "from the source");
  daemon_.signal(SIGTERM);
  expect_exit(0);
  EXPECT_EQ(daemon_.folder().read_file("source/hello"), "from the source");
}

TEST_F(KeeperLife, UnmountsAndFailsWhenWorkersDieAgainAndAgain) {
  ASSERT_TRUE(daemon_.start_and_wait());
  struct stat status{};
  EXPECT_NE(::stat((daemon_.mountpoint() + "/crash").c_str(), &status), 0);
  expect_exit(kExitGaveWay);
  EXPECT_TRUE(daemon_.wait_for_log("the worker was killed by signal 9"));
  EXPECT_TRUE(daemon_.wait_for_log("the next one starts with the cache off"));
  EXPECT_TRUE(daemon_.wait_for_log("crashed 5 times"));
}

TEST_F(KeeperLife, AnotherWorkerAnswersWhatTheDeadOneLeft) {
  ASSERT_TRUE(daemon_.start_and_wait());
  daemon_.folder().write_file("source/recover", "");
  const auto children = RunningDaemon::children_of(daemon_.pid());
  ASSERT_EQ(children.size(), 1U);
  ASSERT_EQ(::kill(children.front(), SIGKILL), 0);
  struct stat status{};
  EXPECT_NE(::stat((daemon_.mountpoint() + "/crash").c_str(), &status), 0);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(daemon_.read_hello(), "from the source");
  daemon_.signal(SIGTERM);
  expect_exit(0);
}

TEST_F(KeeperLife, OneThatTheSourceHoldsIsFollowedByAnotherAllTheSame) {
  HungFolder hung(daemon_.folder().make_dir("hung"));
  ASSERT_TRUE(hung.is_up());
  daemon_.folder().write_file("source/look", daemon_.folder().path("hung") + "/x");
  ASSERT_TRUE(daemon_.start_and_wait());
  ASSERT_TRUE(hung.is_asked());
  const auto children = RunningDaemon::children_of(daemon_.pid());
  ASSERT_EQ(children.size(), 1U);
  ASSERT_EQ(::kill(children.front(), SIGKILL), 0);
  ASSERT_TRUE(daemon_.wait_for_log("the mounts are served again")) << daemon_.log();
  EXPECT_EQ(daemon_.read_hello(), "from the source");
  EXPECT_EQ(RunningDaemon::children_of(daemon_.pid()).size(), 2U) << "the dead one is still held";
  EXPECT_EQ(daemon_.log().find("changes are let go"), std::string::npos);
  hung.heal();
  EXPECT_TRUE(is_reaped(children.front())) << "nothing else happens that wakes the keeper";
  daemon_.signal(SIGTERM);
  expect_exit(0);
}

TEST_F(KeeperLife, ChangesWaitUntilThoseOfTheDeadWorkerCameBack) {
  HungFolder hung(daemon_.folder().make_dir("hung"));
  ASSERT_TRUE(hung.is_up());
  daemon_.folder().write_file("source/change", daemon_.folder().path("hung") + "/x");
  ASSERT_TRUE(daemon_.start_and_wait());
  ASSERT_TRUE(hung.is_asked());
  const auto children = RunningDaemon::children_of(daemon_.pid());
  ASSERT_EQ(children.size(), 1U);
  ASSERT_EQ(::kill(children.front(), SIGKILL), 0);
  ASSERT_TRUE(daemon_.wait_for_log("the mounts are served again")) << daemon_.log();
  EXPECT_EQ(daemon_.log().find("changes are let go"), std::string::npos);
  hung.heal();
  EXPECT_TRUE(daemon_.wait_for_log("changes are let go"));
  daemon_.signal(SIGTERM);
  expect_exit(0);
}

TEST_F(KeeperLife, AWorkerThatCannotStartInAnothersPlaceGivesTheFolderBack) {
  ASSERT_TRUE(daemon_.start_and_wait());
  daemon_.folder().write_file("source/refuse", "");
  const auto children = RunningDaemon::children_of(daemon_.pid());
  ASSERT_EQ(children.size(), 1U);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(::kill(children.front(), SIGKILL), 0);
  expect_exit(kExitGaveWay);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(700)) << "what it refuses for may pass";
  EXPECT_TRUE(daemon_.wait_for_log("cannot open the store: refused by the test"));
  EXPECT_TRUE(daemon_.wait_for_log("no worker could be started in 5 tries; unmounting"));
  EXPECT_FALSE(daemon_.log().contains("starts with the cache off")) << "there was one crash";
}

TEST_F(KeeperLife, KillsAWorkerThatDoesNotEnd) {
  daemon_.folder().write_file("source/hang_at_stop", "");
  ASSERT_TRUE(daemon_.start_and_wait());
  daemon_.signal(SIGTERM);
  expect_exit(0);
  EXPECT_TRUE(daemon_.wait_for_log("killing it"));
}

TEST_F(KeeperLife, EndsWhileAProgramWaitsForAMuteWorker) {
  daemon_.folder().write_file("source/mute", "");
  daemon_.folder().write_file("source/hang_at_stop", "");
  ASSERT_TRUE(daemon_.start_and_wait());
  const auto looker = ChildProcess::call([this] {
    struct stat status{};
    return ::stat((daemon_.mountpoint() + "/hello").c_str(), &status) == 0 ? 0 : errno;
  });
  ASSERT_TRUE(looker.has_value());
  daemon_.signal(SIGTERM);
  expect_exit(0);
  EXPECT_TRUE(RunningDaemon::wait_until_gone(looker->pid()));
}

TEST_F(KeeperLife, SighupReachesTheWorker) {
  ASSERT_TRUE(daemon_.start_and_wait());
  daemon_.signal(SIGHUP);
  EXPECT_TRUE(daemon_.wait_for_log("the configuration was read again"));
  EXPECT_EQ(daemon_.read_hello(), "from the source");
  daemon_.signal(SIGTERM);
  expect_exit(0);
}

TEST_F(KeeperLife, ASighupThatComesBeforeAWorkerServesReachesIt) {
  ASSERT_EQ(::mkfifo((daemon_.source() + "/gate").c_str(), 0600), 0);
  daemon_.start(with_foreground());
  {
    const UniqueFd gate = open_gate();
    ASSERT_TRUE(gate.is_open());
    daemon_.signal(SIGHUP);
  }
  EXPECT_TRUE(daemon_.wait_for_log("the configuration was read again"));

  const auto children = RunningDaemon::children_of(daemon_.pid());
  ASSERT_EQ(children.size(), 1U);
  ASSERT_EQ(::kill(children.front(), SIGKILL), 0);
  {
    const UniqueFd gate = open_gate();
    ASSERT_TRUE(gate.is_open());
    daemon_.forget_log();
    daemon_.signal(SIGHUP);
  }
  EXPECT_TRUE(daemon_.wait_for_log("the configuration was read again")) << "by the next one";
  daemon_.signal(SIGTERM);
  expect_exit(0);
}

TEST_F(KeeperLife, ARestartThatHangsIsGivenUpInTimeForWhatRanBefore) {
  ASSERT_TRUE(daemon_.start_and_wait());
  const std::string gate = daemon_.source() + "/gate";
  ASSERT_EQ(::mkfifo(gate.c_str(), 0600), 0);
  EXPECT_NE(::access((daemon_.mountpoint() + "/restart").c_str(), F_OK), 0);
  const UniqueFd held = open_gate();
  ASSERT_TRUE(held.is_open());
  ASSERT_EQ(::unlink(gate.c_str()), 0);
  EXPECT_TRUE(daemon_.wait_for_log("going on with the configuration from before"));
  EXPECT_EQ(daemon_.read_hello(), "from the source");
  EXPECT_TRUE(daemon_.is_mounted());
  daemon_.signal(SIGTERM);
  expect_exit(0);
}

TEST_F(KeeperLife, EndsWhenSomebodyElseUnmounts) {
  ASSERT_TRUE(daemon_.start_and_wait());
  ASSERT_EQ(::umount2(daemon_.mountpoint().c_str(), 0), 0);
  expect_exit(0);
  EXPECT_TRUE(daemon_.wait_for_log("was unmounted by somebody else"));
}

TEST_F(KeeperLife, AKilledKeeperTakesTheWorkerAlongAndTheNextStartClearsTheMount) {
  ASSERT_TRUE(daemon_.start_and_wait());
  const auto children = RunningDaemon::children_of(daemon_.pid());
  ASSERT_EQ(children.size(), 1U);
  daemon_.signal(SIGKILL);
  ASSERT_TRUE(daemon_.wait_for_exit().has_value());
  ASSERT_TRUE(RunningDaemon::wait_until_gone(children.front()));
  struct stat status{};
  EXPECT_EQ(::stat(daemon_.mountpoint().c_str(), &status), -1);
  EXPECT_EQ(errno, ENOTCONN);

  ASSERT_TRUE(daemon_.start_and_wait()) << daemon_.wait_for_log("never said") << daemon_.log();
  EXPECT_EQ(daemon_.read_hello(), "from the source");
  daemon_.signal(SIGTERM);
  expect_exit(0);
}

TEST_F(KeeperLife, AKilledKeeperIsFollowedByOneThatGoesOnWhereAManagerKeptItsDescriptors) {
  daemon_.keep_stored();
  ASSERT_TRUE(daemon_.start_and_wait());
  EXPECT_TRUE(daemon_.stored().contains("plan"));
  EXPECT_TRUE(daemon_.stored().contains("fuse-0"));
  // Open in another process: what becomes the next keeper must not have to close a file of the mount before it can serve it.
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd ours(ends[0]);
  auto holder = ChildProcess::call([this, theirs = ends[1]] {
    const UniqueFd held(::open((daemon_.mountpoint() + "/hello").c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4> bytes{};
    const bool is_told = ::write(theirs, "o", 1) == 1 && ::read(theirs, bytes.data(), 1) == 1;
    return is_told && ::pread(held.get(), bytes.data(), bytes.size(), 0) == 4 ? 0 : 1;
  });
  ::close(ends[1]);
  ASSERT_TRUE(holder.has_value());
  char word = 0;
  ASSERT_EQ(::read(ours.get(), &word, 1), 1);
  const auto children = RunningDaemon::children_of(daemon_.pid());
  ASSERT_EQ(children.size(), 1U);
  daemon_.signal(SIGKILL);
  ASSERT_TRUE(daemon_.wait_for_exit().has_value());
  ASSERT_TRUE(RunningDaemon::wait_until_gone(children.front()));

  ASSERT_TRUE(daemon_.start_with_stored()) << daemon_.wait_for_log("never said") << daemon_.log();
  EXPECT_EQ(daemon_.read_hello(), "from the source");
  ASSERT_EQ(::write(ours.get(), "g", 1), 1);
  ASSERT_TRUE(RunningDaemon::wait_until_gone(holder->pid()));
  const auto status = holder->try_reap();
  EXPECT_TRUE(status && status->code == 0 && status->signal == 0) << "it was open all the time";
  daemon_.signal(SIGTERM);
  expect_exit(0);
}

}  // namespace
}  // namespace arenacache::daemon
