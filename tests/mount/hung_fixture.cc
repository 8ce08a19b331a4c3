// SPDX-License-Identifier: Apache-2.0
#include "mount/hung_fixture.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/types.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"

namespace arenacache::test {

using base::text;
using namespace std::chrono_literals;

bool is_long() { return std::getenv("ARENACACHE_TEST_LONG") != nullptr; }  // NOLINT(concurrency-mt-unsafe)

void HungTest::SetUp() {
  ModelTest::SetUp();
  if (IsSkipped() || HasFatalFailure()) return;
  const std::string missing = SshServer::missing();
  if (!missing.empty()) GTEST_SKIP() << missing;
  for (const char* name : {"model", "other"}) make_pattern_file(exported(name), kModelSize, Pattern{1});
  dir_.make_dir("exported/folder");
  for (std::uint64_t file = 0; file < 20; ++file) {
    make_pattern_file(exported(text("folder/lora-", file)), 1000 + file, Pattern{file});
  }
  server_ = std::make_unique<SshServer>();
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_NO_FATAL_FAILURE(
      server_->mount(exported_, source_, {"reconnect", "dir_cache=no", "attr_timeout=0", "entry_timeout=0"}));
  std::map<std::string, std::string> all = flags();
  all.insert({{"--cache-metadata-ttl", "0s"}, {"--origin-timeout", "2s"}, {"--daemon-crash-window", "0s"}});
  mount_ = std::make_unique<TestMount>(MountOptions{.flags = std::move(all), .source = source_});
  ASSERT_NO_FATAL_FAILURE(mount_->start());
  model_ = {.path = mount_->at("model"), .size = kModelSize, .pattern = Pattern{1}};
  other_ = {.path = mount_->at("other"), .size = kModelSize, .pattern = Pattern{1}};
  ASSERT_NO_FATAL_FAILURE(make_resident(*mount_, "model", model_));
  truth_ = tree_of(mount_->mountpoint());
  ASSERT_EQ(truth_.size(), 23U);
  // A worker that leaves in good order writes the listings into the index.
  const Finished restarted = mount_->cli({"restart"});
  ASSERT_EQ(restarted.exit_code, 0) << restarted.output;
}

void HungTest::TearDown() {
  if (server_) server_->heal();
  mount_.reset();
}

void HungTest::cut() {
  server_->cut();
  EXPECT_EQ(look_up(mount_->at("unknown")), ETIMEDOUT);
}

HungTest::Clock::duration HungTest::kill_worker() {
  pid_t worker = -1;
  EXPECT_TRUE(TestMount::wait_for([&] { return (worker = mount_->client().pid()) > 0; }));
  EXPECT_TRUE(worker > 0 && ::kill(worker, SIGKILL) == 0);
  const auto begun = Clock::now();
  EXPECT_TRUE(load_in_order(model_)) << mount_->log();
  EXPECT_EQ(tree_of(mount_->mountpoint()), truth_);
  const auto took = Clock::now() - begun;
  std::printf("served again after %lld ms\n", static_cast<long long>(took / 1ms));
  return took;
}

void HungTest::expect_known_goes_on() {
  drop_pages(model_.path);
  EXPECT_TRUE(load_in_order(model_));
  EXPECT_EQ(tree_of(mount_->mountpoint()), truth_);
}

void HungTest::expect_misses_fail_in_time() {
  const auto begun = Clock::now();
  EXPECT_EQ(look_up(mount_->at("another unknown")), ETIMEDOUT);
  EXPECT_LT(Clock::now() - begun, kTimeout + 1s);
}

void HungTest::heal() {
  const auto begun = Clock::now();
  server_->heal();
  EXPECT_TRUE(TestMount::wait_for([&] { return look_up(mount_->at("unknown")) == ENOENT; }, kHealed));
  EXPECT_TRUE(load_in_order(other_));
  EXPECT_LT(Clock::now() - begun, kHealed);
  std::printf("healed after %lld ms\n", static_cast<long long>((Clock::now() - begun) / 1ms));
  EXPECT_TRUE(TestMount::wait_for([&] { return mount_->stats().health == "up"; })) << mount_->stats().text;
  EXPECT_TRUE(TestMount::wait_for([&] { return mount_->stats().lost_threads == 0; }));
  EXPECT_TRUE(TestMount::wait_for([&] { return mount_->daemon().children().size() == 1; })) << "no dead worker is left";
}

}  // namespace arenacache::test
