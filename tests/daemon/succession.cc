// SPDX-License-Identifier: Apache-2.0
#include "succession.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX

#include "arenacache/base/text.h"
#include "mount/test_mount.h"

namespace arenacache::daemon {

using base::text;

void SuccessionTest::SetUp() {
  if (!can_mount()) GTEST_SKIP() << "needs root and /dev/fuse";
}

void SuccessionTest::configure(const std::string& tables, const std::string& source, const std::string& store) {
  daemon_.folder().write_file(
      "config.toml",
      text("[daemon]\nsocket = \"", daemon_.folder().path("sock"), "\"\n[store]\npath = \"", store,
           "\"\ncapacity = \"1GiB\"\nkeep_free = \"64MiB\"\n", tables, "[[mount]]\nname = \"models\"\nsource = \"",
           source, "\"\nmountpoint = \"", daemon_.mountpoint(), "\"\n"));
}

void SuccessionTest::break_configuration() const { daemon_.folder().write_file("config.toml", "[cache\nmode ="); }

bool SuccessionTest::start_configured() {
  daemon_.start({"--config", daemon_.folder().path("config.toml"), "--foreground"});
  return daemon_.wait_until_ready();
}

test::Finished SuccessionTest::cli(std::vector<std::string> words) const {
  words.insert(words.begin(), ARENACACHE_CLI);
  words.insert(words.end(), {"--socket", daemon_.folder().path("sock")});
  return test::run_program(words);
}

testing::AssertionResult SuccessionTest::restarts() {
  const test::Finished restarted = cli({"restart"});
  if (restarted.exit_code == 0) return testing::AssertionSuccess();
  static_cast<void>(daemon_.wait_for_log("what is never said"));  // all that there is
  return testing::AssertionFailure() << restarted.output << daemon_.log();
}

pid_t SuccessionTest::worker() const {
  pid_t worker = -1;
  static_cast<void>(test::TestMount::wait_for([&] { return (worker = client_.pid()) > 0; }));
  return worker;
}

bool SuccessionTest::kill_worker() const {
  const pid_t before = worker();
  if (before <= 0 || ::kill(before, SIGKILL) != 0) return false;
  return test::TestMount::wait_for([&] {
    const pid_t now = client_.pid();
    return now > 0 && now != before;
  });
}

std::string SuccessionTest::mode() const {
  const auto stats = client_.stats();
  return stats ? stats->mode : "no answer";
}

void SuccessionTest::expect_exit(int code) {
  const auto status = daemon_.wait_for_exit();
  ASSERT_TRUE(status.has_value()) << daemon_.log();
  EXPECT_EQ(status->code, code) << status->describe();
  EXPECT_FALSE(daemon_.is_mounted());
}

}  // namespace arenacache::daemon
