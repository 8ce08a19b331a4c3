// SPDX-License-Identifier: Apache-2.0
// The engine while its origin hangs or is away, and when it is back.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cache/engine_fixture.h"

namespace arenacache::cache {
namespace {

using origin::Health;
using test::OriginCall;
using namespace std::chrono_literals;

class OutageTest : public EngineFixture {
 protected:
  explicit OutageTest(origin::Fidelity fidelity = test::FakeOrigin::disk_fidelity())
      : EngineFixture(std::move(fidelity)) {}

  /// Nothing comes back any more, and that is known. A call that had passed before may still come back, and shows once
  /// that the origin answers.
  void hang() {
    for (const OriginCall call : kHangs) origin_->close_gate(call);
    eventually("it is known to hang", [&] {
      std::promise<base::Result<origin::Attributes>> answer;
      guard_->look<origin::Attributes>(
          100ms, [](origin::Origin& origin) { return origin.stat(""); },
          [&answer](base::Result<origin::Attributes> said) { answer.set_value(std::move(said)); });
      EXPECT_TRUE(test::has_kind(answer.get_future().get(), base::ErrorKind::timeout));
      return !guard_->is_answering();
    });
  }
  void heal() {
    for (const OriginCall call : kHangs) origin_->open_gate(call);
  }
  [[nodiscard]] Health health() const { return engine_->stats().origins.at(0).health; }

  static constexpr std::array kHangs = {OriginCall::stat, OriginCall::space, OriginCall::read, OriginCall::open};
};

TEST_F(OutageTest, HitsGoOnAndCostTheOriginNothing) {
  start();
  const std::string content = origin_->put_random("a", 12 * kMiB, 1);
  EXPECT_EQ(read_all("a"), content);
  await_resident("a");
  hang();
  origin_->reset_counts();
  EXPECT_EQ(read_all("a"), content);
  EXPECT_EQ(origin_->calls(OriginCall::read) + origin_->calls(OriginCall::open), 0U);
}

TEST_F(OutageTest, AReaderOfAnOpenFileOutlastsAStallThatOthersDoNotWaitFor) {
  start();
  const std::string content = origin_->put_random("a", 12 * kMiB, 2);
  const auto reader = open("a");
  EXPECT_EQ(read(*reader, 0, 4096), content.substr(0, 4096));
  hang();
  Answer waiting;
  reader->read(5 * kMiB, 4096, waiting.done());
  ASSERT_TRUE(origin_->await_held(OriginCall::read, 1));
  EXPECT_FALSE(waiting.is_answered());
  heal();
  EXPECT_EQ(waiting.bytes(), content.substr(5 * kMiB, 4096));
}

TEST_F(OutageTest, ItsHealthIsInTheNumbers) {
  start();
  EXPECT_EQ(health(), Health::up);
  hang();
  EXPECT_NE(health(), Health::up);
  EXPECT_GT(engine_->stats().origins.at(0).lost_threads, 0U);
  heal();
  eventually("it is up again", [&] { return health() == Health::up; });
  eventually("no thread is lost", [&] { return engine_->stats().origins.at(0).lost_threads == 0; });
}

TEST_F(OutageTest, ACopyUnderWayWaitsAndGoesOn) {
  config_.origin.read_timeout = 1s;
  start();
  const std::string content = origin_->put_random("a", 40 * kMiB, 3);
  origin_->close_gate(OriginCall::read);
  EXPECT_TRUE(engine_->prefetch(ref("a")));
  ASSERT_TRUE(origin_->await_held(OriginCall::read, 1));
  origin_->let_through(OriginCall::read, 2);
  hang();
  eventually("the copy is put off", [&] {
    const auto stats = engine_->stats();
    return stats.fills_active == 0 && stats.fills_queued == 1;
  });
  EXPECT_NE(engine_->prefetch_progress(source_, "a", PrefetchTarget::store).state, PrefetchState::failed);
  heal();
  await_resident("a");
  EXPECT_EQ(engine_->stats().fills_failed, 0U);
  EXPECT_EQ(read_all("a"), content);
}

TEST_F(OutageTest, ACopyAskedForMeanwhileBeginsWhenTheOriginIsBack) {
  start();
  const std::string content = origin_->put_random("a", 12 * kMiB, 4);
  const FileRef file = ref("a");
  hang();
  origin_->reset_counts();
  EXPECT_TRUE(engine_->prefetch(file));
  const auto stats = engine_->stats();
  EXPECT_EQ(stats.fills_active, 0U);
  EXPECT_EQ(stats.fills_queued, 1U);
  EXPECT_EQ(origin_->calls(OriginCall::read) + origin_->calls(OriginCall::open), 0U);
  heal();
  await_resident("a");
  EXPECT_EQ(read_all("a"), content);
}

TEST_F(OutageTest, ACopyOfAFileThatHangsAloneIsGivenUpInTheEnd) {
  config_.origin.read_timeout = 50ms;
  start();
  origin_->put_random("a", 12 * kMiB, 5);
  origin_->close_gate(OriginCall::read);
  EXPECT_TRUE(engine_->prefetch(ref("a")));
  eventually("it is given up", [&] { return engine_->stats().fills_failed == 1; });
  EXPECT_EQ(engine_->prefetch_progress(source_, "a", PrefetchTarget::store).state, PrefetchState::failed);
}

class NetworkOutageTest : public OutageTest {
 protected:
  NetworkOutageTest() : OutageTest(test::FakeOrigin::sshfs_fidelity()) {}
};

TEST_F(NetworkOutageTest, AReadFailsWithTheOriginsErrorOnceItsTimeIsOver) {
  config_.origin.read_timeout = 2s;
  start();
  origin_->put_random("a", 2 * kMiB, 6);
  const auto reader = open("a");
  origin_->fail_next(OriginCall::read, 1'000'000, ENOTCONN);
  Answer failed;
  reader->read(0, kMiB, failed.done());
  ASSERT_TRUE(failed.error().has_value());
  EXPECT_EQ(failed.error()->errno_value, ENOTCONN);
  EXPECT_GT(origin_->calls(OriginCall::read), 1U) << "it was asked again";
}

TEST_F(NetworkOutageTest, AReadOutlastsALineThatIsDownForAWhile) {
  start();
  const std::string content = origin_->put_random("a", 2 * kMiB, 7);
  const auto reader = open("a");
  origin_->fail_next(OriginCall::read, 1'000'000, ENOTCONN);
  Answer waiting;
  reader->read(0, kMiB, waiting.done());
  ASSERT_TRUE(origin_->await_calls(OriginCall::read, 2));
  EXPECT_FALSE(waiting.is_answered());
  origin_->fail_next(OriginCall::read, 0, 0);
  EXPECT_EQ(waiting.bytes(), content.substr(0, kMiB));
}

}  // namespace
}  // namespace arenacache::cache
