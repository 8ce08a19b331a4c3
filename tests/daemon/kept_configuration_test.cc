// SPDX-License-Identifier: Apache-2.0
// Which configuration a worker goes by: the one that was accepted, until somebody asks for another and that one can be served.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "keeper.h"
#include "succession.h"

namespace arenacache::daemon {
namespace {

constexpr const char* kOff = "[cache]\nmode = \"off\"\n";
constexpr const char* kUseOnly = "[cache]\nmode = \"use-only\"\n";

class KeptConfiguration : public SuccessionTest {
 protected:
  void SetUp() override {
    SuccessionTest::SetUp();
    if (IsSkipped()) return;
    configure("");
    ASSERT_TRUE(start_configured()) << daemon_.log();
  }

  void TearDown() override {
    if (IsSkipped() || HasFatalFailure()) return;
    EXPECT_EQ(daemon_.read_hello(), "from the source");
    daemon_.signal(SIGTERM);
    expect_exit(kExitSuccess);
  }
};

TEST_F(KeptConfiguration, AFileThatIsBrokenTakesNoMountAway) {
  break_configuration();
  for (int crash = 0; crash < 2; ++crash) ASSERT_TRUE(kill_worker()) << daemon_.log();
  EXPECT_EQ(mode(), "active");
}

TEST_F(KeptConfiguration, ACrashIsNoTimeToReadItAgain) {
  configure(kOff);
  ASSERT_TRUE(kill_worker()) << daemon_.log();
  EXPECT_EQ(mode(), "active");
  EXPECT_TRUE(restarts());
  EXPECT_EQ(mode(), "off");
  break_configuration();
  ASSERT_TRUE(kill_worker()) << daemon_.log();
  EXPECT_EQ(mode(), "off") << "what was read at the restart";
}

TEST_F(KeptConfiguration, WhatAReloadTookIsKeptToo) {
  configure(kUseOnly);
  daemon_.signal(SIGHUP);
  ASSERT_TRUE(daemon_.wait_for_log("the configuration was read again"));
  ASSERT_EQ(mode(), "use-only");
  break_configuration();
  daemon_.signal(SIGHUP);
  ASSERT_TRUE(daemon_.wait_for_log("the configuration is not read again: "));
  ASSERT_TRUE(kill_worker()) << daemon_.log();
  EXPECT_EQ(mode(), "use-only");
}

TEST_F(KeptConfiguration, WhatAReloadCouldNotTakeIsNotTakenByACrash) {
  configure(kOff, daemon_.source(), daemon_.folder().path("other store"));
  daemon_.signal(SIGHUP);
  ASSERT_TRUE(daemon_.wait_for_log("store.path changed in the configuration"));
  ASSERT_TRUE(daemon_.wait_for_log("the configuration was read again"));
  ASSERT_TRUE(kill_worker()) << daemon_.log();
  EXPECT_EQ(mode(), "off");
  EXPECT_FALSE(std::filesystem::exists(daemon_.folder().path("other store")));
}

TEST_F(KeptConfiguration, ARestartWithAnotherSourceIsRefused) {
  daemon_.folder().write_file("elsewhere/hello", "from elsewhere");
  configure("", daemon_.folder().path("elsewhere"), daemon_.folder().path("store"));
  const pid_t before = worker();
  const test::Finished refused = cli({"restart"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.output.find("another source for the mount \"models\""), std::string::npos) << refused.output;
  EXPECT_EQ(worker(), before);
}

TEST_F(KeptConfiguration, ARestartWithAnotherMountpointIsRefused) {
  std::string moved = daemon_.folder().read_file("config.toml");
  const std::string was = "mountpoint = \"" + daemon_.mountpoint();
  moved.replace(moved.find(was), was.size(), "mountpoint = \"" + daemon_.folder().make_dir("elsewhere"));
  daemon_.folder().write_file("config.toml", moved);
  const test::Finished refused = cli({"restart"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.output.find("another mountpoint for the mount \"models\""), std::string::npos) << refused.output;
}

TEST_F(KeptConfiguration, WhatCannotBeServedIsTakenBack) {
  daemon_.folder().write_file("other store/VERSION", "999\n");
  configure(kOff, daemon_.source(), daemon_.folder().path("other store"));
  // Often enough that these would be too many crashes, and too many tries.
  for (int i = 0; i < 6; ++i) {
    EXPECT_TRUE(restarts()) << "somebody goes on";
    EXPECT_EQ(mode(), "active") << "as before";
  }
  EXPECT_TRUE(daemon_.wait_for_log("going on with the configuration from before"));
  ASSERT_TRUE(kill_worker()) << daemon_.log();
  EXPECT_EQ(mode(), "active");
}

}  // namespace
}  // namespace arenacache::daemon
