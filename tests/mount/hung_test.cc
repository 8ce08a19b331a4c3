// SPDX-License-Identifier: Apache-2.0
// A source whose line is cut while workers are killed or replaced: sshfs, whose callers no signal reaches then. What is known goes on
// with the next worker, without the source being asked, and every change is made once.
// ARENACACHE_TEST_LONG=1: stalls of 40 s.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mount/hung_fixture.h"

namespace arenacache::test {
namespace {

using namespace std::chrono_literals;

/// By when hits are served again after a kill.
constexpr auto kServedAgain = ARENACACHE_IS_SANITIZED ? 10s : 2s;

TEST_F(HungTest, AKilledWorkerIsFollowedByOneThatDoesNotAskTheSource) {
  MappedReader reader(other_, 20 * kMiB);
  cut();
  reader.start();
  for (int kill = 1; kill <= 3; ++kill) {
    EXPECT_LT(kill_worker(), kServedAgain) << mount_->log();
    expect_known_goes_on();
    expect_misses_fail_in_time();
    expect_known_goes_on();
  }
  EXPECT_TRUE(reader.is_waiting());
  heal();
  EXPECT_EQ(reader.wait(), 0) << "SIGBUS is 7";
  EXPECT_TRUE(TestMount::wait_for([&] { return mount_->daemon().children().size() == 1; }, kHealed))
      << "nothing is left of those that were killed";
}

TEST_F(HungTest, AWorkerIsReplacedWhileTheSourceHangs) {
  cut();
  const Finished finished = mount_->cli({"restart"});
  EXPECT_EQ(finished.exit_code, 0) << finished.output << mount_->log();
  expect_known_goes_on();
  expect_misses_fail_in_time();
  heal();
}

TEST_F(HungTest, AMappedReaderOutlastsAStallInWhichTheConnectionDies) {
  MappedReader reader(other_, 20 * kMiB);
  cut();
  reader.start();
  if (is_long()) ::poll(nullptr, 0, 20'000);
  EXPECT_TRUE(reader.is_waiting());
  server_->drop_connections();
  EXPECT_NE(look_up(mount_->at("yet another")), ENOENT) << "it is not forgotten that the source is away";
  if (is_long()) ::poll(nullptr, 0, 20'000);
  EXPECT_TRUE(reader.is_waiting());
  expect_known_goes_on();
  heal();
  EXPECT_EQ(reader.wait(), 0) << "SIGBUS is 7";
}

TEST_F(HungTest, WhatChangedMeanwhileIsSeenOnceTheSourceIsBack) {
  cut();
  make_pattern_file(exported("model"), kModelSize, Pattern{7});
  set_age(exported("model"), 60);
  expect_known_goes_on();
  heal();
  EXPECT_TRUE(
      TestMount::wait_for([&] { return static_cast<bool>(file_is(model_.path, kModelSize, Pattern{7})); }, kHealed));
}

class HungPacked : public HungTest {
 protected:
  [[nodiscard]] std::map<std::string, std::string> flags() const override {
    return {{"--tier-capacity", "256MiB"}, {"--cache-promote-after", "0"}};
  }
};

TEST_F(HungPacked, FilesAreServedWithoutTheSource) {
  const Finished packed = mount_->cli({"pack", "--wait", model_.path});
  ASSERT_EQ(packed.exit_code, 0) << packed.output;
  cut();
  expect_known_goes_on();
  EXPECT_LT(kill_worker(), kServedAgain) << mount_->log();
  expect_known_goes_on();
  EXPECT_EQ(mount_->object("model")->state, "packed");
  heal();
}

/// Names are believed for a while, so that a program's change is not kept from the source by a question; and the one that the kernel
/// asks all the same, before mkdir, waits for as long as the stall may last.
class HungChanges : public HungTest {
 protected:
  [[nodiscard]] std::map<std::string, std::string> flags() const override {
    return {{"--cache-metadata-ttl", "60s"}, {"--origin-timeout", "60s"}};
  }
};

TEST_F(HungChanges, AreMadeOnceWhateverHappensToTheWorker) {
  put_content(mount_->at("folder/old"), "old");
  put_content(mount_->at("log"), "begun");
  truth_ = tree_of(mount_->mountpoint());
  for (const char* name : {"made", "renamed"}) ASSERT_EQ(look_up(mount_->at(name)), ENOENT);
  const std::uint64_t before = mount_->stats().requests;
  server_->cut();
  std::vector<std::thread> programs;
  std::vector<std::string> answers(4);
  const auto start = [&](std::size_t number, const std::function<bool()>& deed) {
    programs.emplace_back([&answers, number, deed] { answers[number] = deed() ? "done" : std::strerror(errno); });
  };
  start(0, [&] { return ::mkdir(mount_->at("made").c_str(), 0755) == 0; });
  start(1, [&] { return ::unlink(mount_->at("folder/old").c_str()) == 0; });
  start(2, [&] { return ::rename(mount_->at("folder/lora-1").c_str(), mount_->at("renamed").c_str()) == 0; });
  start(3, [&] {
    const base::UniqueFd log(::open(mount_->at("log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    return log.is_open() && ::write(log.get(), ", ended", 7) == 7 && ::fsync(log.get()) == 0;
  });
  // The others wait in the kernel for the folders that these have.
  EXPECT_TRUE(TestMount::wait_for([&] { return mount_->stats().requests >= before + 2; }));
  const pid_t worker = mount_->client().pid();
  EXPECT_EQ(::kill(worker, SIGKILL), 0);
  EXPECT_TRUE(load_in_order(model_));
  heal();
  for (std::thread& program : programs) program.join();
  EXPECT_EQ(answers, std::vector<std::string>(4, "done")) << mount_->log();
  EXPECT_EQ(look_up(exported("made")), 0);
  EXPECT_EQ(look_up(exported("folder/old")), ENOENT);
  EXPECT_EQ(look_up(exported("folder/lora-1")), ENOENT);
  EXPECT_EQ(look_up(exported("renamed")), 0);
  EXPECT_EQ(content_of(exported("log")), "begun, ended");
}

}  // namespace
}  // namespace arenacache::test
