// SPDX-License-Identifier: Apache-2.0
// A package that is upgraded while its daemon serves: the new program goes on, or says why it does not, and what ran before does.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <system_error>

#include "arenacache/base/text.h"
#include "keeper.h"
#include "succession.h"

namespace arenacache::daemon {
namespace {

class Upgrade : public SuccessionTest {
 protected:
  void SetUp() override {
    SuccessionTest::SetUp();
    if (IsSkipped()) return;
    std::filesystem::copy_file(DAEMON_UNDER_TEST, installed());
    daemon_.use_program(installed());
    configure("");
    ASSERT_TRUE(start_configured()) << daemon_.log();
    ASSERT_EQ(program_of(worker()), installed());
  }

  [[nodiscard]] std::string installed() const { return daemon_.folder().path("arenacached"); }

  /// As a package manager does it: a new file takes the name.
  void install(const std::string& program) const {
    const std::string fresh = daemon_.folder().path("arenacached.new");
    std::filesystem::copy_file(program, fresh);
    std::filesystem::rename(fresh, installed());
  }

  /// A program whose file has lost its name has " (deleted)" behind it.
  static std::string program_of(pid_t worker) {
    std::error_code error;
    return std::filesystem::read_symlink(base::text("/proc/", worker, "/exe"), error).string();
  }

  void expect_good_end() {
    EXPECT_EQ(daemon_.read_hello(), "from the source");
    daemon_.signal(SIGTERM);
    expect_exit(kExitSuccess);
  }
};

TEST_F(Upgrade, TheNewProgramGoesOnWhereItAsksTheSameOfTheKernel) {
  install(DAEMON_UNDER_TEST);
  ASSERT_TRUE(restarts());
  EXPECT_EQ(program_of(worker()), installed());
  ASSERT_TRUE(kill_worker());
  EXPECT_EQ(program_of(worker()), installed());
  expect_good_end();
}

TEST_F(Upgrade, ANewProgramWithOtherWishesRefusesAndTheOldOneGoesOn) {
  install(ARENACACHED_WITH_OTHER_WISHES);
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(restarts());
    EXPECT_EQ(program_of(worker()), installed() + " (deleted)");
    EXPECT_EQ(mode(), "active") << "a refusal is no crash";
  }
  EXPECT_TRUE(daemon_.wait_for_log("ask other things of the kernel: stop the daemon and start it again"));
  ASSERT_TRUE(kill_worker()) << "nor is the new one tried after a crash";
  EXPECT_EQ(program_of(worker()), installed() + " (deleted)");
  expect_good_end();
}

TEST_F(Upgrade, AProgramThatIsGoneOrBrokenIsDoneWithout) {
  std::filesystem::remove(installed());
  ASSERT_TRUE(restarts());
  EXPECT_EQ(program_of(worker()), installed() + " (deleted)");
  daemon_.folder().write_file("arenacached.new", "no program\n");
  std::filesystem::permissions(daemon_.folder().path("arenacached.new"), std::filesystem::perms::all);
  std::filesystem::rename(daemon_.folder().path("arenacached.new"), installed());
  ASSERT_TRUE(restarts());
  EXPECT_EQ(program_of(worker()), installed() + " (deleted)");
  expect_good_end();
}

}  // namespace
}  // namespace arenacache::daemon
