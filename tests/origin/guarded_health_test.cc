// SPDX-License-Identifier: Apache-2.0
// What GuardedOrigin does while its origin does not answer: who waits, who is refused, how it comes back, what it leaves.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "arenacache/origin/guarded_origin.h"
#include "support/fake_origin.h"
#include "support/matchers.h"
#include "support/simulated_clock.h"

namespace arenacache::test {
namespace {

using base::ErrorKind;
using base::Result;
using origin::GuardedOrigin;
using origin::GuardLimits;
using origin::Health;
using origin::LookTerms;
using origin::Origin;
using origin::OriginHealth;
using namespace std::chrono_literals;

using Attributes = origin::Attributes;

/// Real time, for threads that a test waits for.
constexpr auto kPatience = 60s;

/// What came so far, from any thread.
template <class T>
class Heard {
 public:
  void add(T one) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(one));
    came_.notify_all();
  }
  bool await(std::size_t count) {
    std::unique_lock lock(mutex_);
    return came_.wait_for(lock, kPatience, [&] { return all_.size() >= count; });
  }
  /// Waits until one comes, after the first `seen`, that `is_it`.
  template <class Predicate>
  bool await_one(std::size_t seen, Predicate is_it) {
    std::unique_lock lock(mutex_);
    return came_.wait_for(lock, kPatience, [&] {
      return seen <= all_.size() && std::any_of(all_.begin() + static_cast<std::ptrdiff_t>(seen), all_.end(), is_it);
    });
  }
  std::vector<T> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return all_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<T> all_;
};

/// Threads of this process whose names begin with "origin-".
std::size_t origin_threads() {
  std::size_t count = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream in(thread.path() / "comm");
    std::string name;
    std::getline(in, name);
    if (name.starts_with("origin-")) ++count;
  }
  return count;
}

bool eventually(const auto& is_true) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!is_true()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

class GuardedHealth : public testing::Test {
 protected:
  explicit GuardedHealth(GuardLimits limits = {}) : guarded_(fake_, clock_, limits) {
    fake_->put("f", "12345");
    guarded_.on_health_change([heard = heard_](const OriginHealth& health) { heard->add(health); });
  }
  ~GuardedHealth() override {
    fake_->open_all_gates();
    guarded_.stop();
  }

  static Result<Attributes> ask(Origin& origin) {
    AC_ASSIGN(const auto file, origin.open("f", O_RDONLY, nullptr));
    return file->stat();
  }
  std::shared_ptr<Heard<Result<Attributes>>> look(const LookTerms& terms = {.timeout = 10s}) {
    auto answers = std::make_shared<Heard<Result<Attributes>>>();
    guarded_.look<Attributes>(terms, ask, [answers](Result<Attributes> result) { answers->add(std::move(result)); });
    return answers;
  }
  /// One that is inside the origin, and whose deadline is awaited.
  std::shared_ptr<Heard<Result<Attributes>>> look_that_hangs() {
    auto answers = look();
    EXPECT_TRUE(fake_->await_held(OriginCall::file_stat, 1));
    EXPECT_TRUE(eventually([&] { return clock_.waiters() > 0; }));
    return answers;
  }
  /// A look of a kind that comes back though file_stat hangs.
  void look_beside() {
    auto answers = std::make_shared<Heard<Result<Attributes>>>();
    guarded_.look<Attributes>(
        {.timeout = 10s}, [](Origin& origin) { return origin.stat("f"); },
        [answers](Result<Attributes> result) { answers->add(std::move(result)); });
    ASSERT_TRUE(answers->await(1));
    EXPECT_TRUE(is_ok(answers->all().front()));
  }
  /// Nothing of the origin comes back any more.
  void hang() {
    for (const OriginCall call : kHangs) fake_->close_gate(call);
  }
  void heal() {
    for (const OriginCall call : kHangs) fake_->open_gate(call);
  }
  /// Lets one look miss its deadline while the origin hangs, until the probe hangs too.
  void miss() {
    const auto answers = look_that_hangs();
    clock_.advance(10s);
    ASSERT_TRUE(answers->await(1));
    EXPECT_FALSE(guarded_.is_answering()) << "the first who hears of it knows it";
    ASSERT_TRUE(fake_->await_held(OriginCall::stat, 1));
  }
  bool await_health(Health health, std::size_t seen = 0) {
    return heard_->await_one(seen, [&](const OriginHealth& one) { return one.health == health; });
  }

  static constexpr std::array kHangs = {OriginCall::stat, OriginCall::space, OriginCall::file_stat};
  SimulatedClock clock_;
  std::shared_ptr<FakeOrigin> fake_ = std::make_shared<FakeOrigin>(clock_);
  std::shared_ptr<Heard<OriginHealth>> heard_ = std::make_shared<Heard<OriginHealth>>();
  GuardedOrigin guarded_;
};

TEST_F(GuardedHealth, AfterTheFirstMissedDeadlineNothingWaitsUntilAProbeSucceeds) {
  hang();
  ASSERT_NO_FATAL_FAILURE(miss());
  const auto calls = fake_->calls(OriginCall::open);
  for (int i = 0; i < 1000; ++i) {
    const auto refused = look();
    ASSERT_EQ(refused->count(), 1U) << "inside the call";
    EXPECT_TRUE(has_kind(refused->all().front(), ErrorKind::timeout));
    EXPECT_EQ(refused->all().front().error().errno_value, ETIMEDOUT);
  }
  EXPECT_EQ(fake_->calls(OriginCall::open), calls);
  heal();
  ASSERT_TRUE(await_health(Health::up));
  EXPECT_TRUE(eventually([&] { return guarded_.lost_threads() == 0; }));
  const auto answered = look();
  ASSERT_TRUE(answered->await(1));
  EXPECT_TRUE(is_ok(answered->all().front()));
}

TEST_F(GuardedHealth, TellsOfEachChangeOnceAndInOrder) {
  hang();
  ASSERT_NO_FATAL_FAILURE(miss());
  EXPECT_EQ(guarded_.health().health, Health::degraded);
  clock_.advance(10s);  // the probe is over its time too
  ASSERT_TRUE(await_health(Health::down));
  EXPECT_EQ(guarded_.health().health, Health::down);
  const auto went_down = guarded_.health().since;
  clock_.advance(5s);
  EXPECT_EQ(guarded_.health().since, went_down);
  heal();
  ASSERT_TRUE(await_health(Health::up));
  EXPECT_EQ(guarded_.recovered(), clock_.now());
  std::vector<Health> told;
  for (const OriginHealth& one : heard_->all()) {
    if (told.empty() || told.back() != one.health) told.push_back(one.health);
  }
  // Between down and up it may be seen to answer while threads are still coming back.
  std::erase_if(told, [&, at = 0](Health health) mutable { return at++ > 1 && health == Health::degraded; });
  EXPECT_EQ(told, (std::vector{Health::degraded, Health::down, Health::up}));
}

TEST_F(GuardedHealth, APatientLookWaitsWhateverTheHealthIs) {
  hang();
  ASSERT_NO_FATAL_FAILURE(miss());
  const auto patient = look({.timeout = 2min, .is_patient = true});
  ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, 2));
  clock_.advance(40s);
  EXPECT_EQ(patient->count(), 0U);
  heal();
  ASSERT_TRUE(patient->await(1));
  EXPECT_TRUE(is_ok(patient->all().front()));
}

TEST_F(GuardedHealth, OneWithoutADeadlineWaitsForEver) {
  hang();
  const auto patient = look({.timeout = std::chrono::nanoseconds::max(), .is_patient = true});
  ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, 1));
  clock_.advance(24h);
  EXPECT_EQ(patient->count(), 0U);
  heal();
  ASSERT_TRUE(patient->await(1));
  EXPECT_TRUE(is_ok(patient->all().front()));
}

TEST_F(GuardedHealth, ALostConnectionIsAskedAgainUntilItAnswers) {
  fake_->fail_next(OriginCall::file_stat, 3, ENOTCONN);
  const auto answers = look({.timeout = std::chrono::nanoseconds::max(), .is_patient = true, .asks_again = true});
  ASSERT_TRUE(eventually([&] {
    clock_.advance(50ms);
    return answers->count() > 0;
  }));
  EXPECT_TRUE(is_ok(answers->all().front()));
  EXPECT_EQ(fake_->calls(OriginCall::file_stat), 4U);
}

TEST_F(GuardedHealth, ALineThatStaysDownFailsWithTheOriginsErrorAtTheDeadline) {
  fake_->fail_next(OriginCall::file_stat, 1'000'000, ENOTCONN);
  const auto answers = look({.timeout = 10s, .is_patient = true, .asks_again = true});
  const auto begun = clock_.now();
  ASSERT_TRUE(eventually([&] {
    clock_.step(1s);  // from rest to rest, never past one that has not begun
    return answers->count() > 0;
  }));
  EXPECT_GE(clock_.now() - begun, 9s);
  EXPECT_EQ(answers->all().front().error().errno_value, ENOTCONN);
  EXPECT_TRUE(eventually([&] { return guarded_.lost_threads() == 0; }));
}

TEST_F(GuardedHealth, StopAnswersALookThatRests) {
  fake_->fail_next(OriginCall::file_stat, 1, ENOTCONN);
  const auto answers = look({.timeout = 1min, .is_patient = true, .asks_again = true});
  ASSERT_TRUE(fake_->await_calls(OriginCall::file_stat, 1));
  ASSERT_TRUE(eventually([&] { return clock_.waiters() > 0; }));
  guarded_.stop();
  ASSERT_EQ(answers->count(), 1U);
  EXPECT_TRUE(has_kind(answers->all().front(), ErrorKind::cancelled));
}

TEST_F(GuardedHealth, AnOriginThatFailsAtOnceIsDownWithItsErrnoAndUpWithinTenSecondsOfHealing) {
  for (const OriginCall call : {OriginCall::stat, OriginCall::file_stat}) fake_->fail_next(call, 1'000'000, ENOTCONN);
  const auto failed = look();
  ASSERT_TRUE(failed->await(1));
  EXPECT_EQ(failed->all().front().error().errno_value, ENOTCONN);
  ASSERT_TRUE(await_health(Health::down));
  const auto refused = look();
  EXPECT_TRUE(has_kind(refused->all().front(), ErrorKind::timeout));
  EXPECT_EQ(refused->all().front().error().errno_value, ENOTCONN);
  // Long enough that probes come as seldom as they ever do.
  for (int second = 0; second < 60; ++second) {
    ASSERT_TRUE(eventually([&] { return clock_.waiters() > 0; }));
    clock_.advance(1s);
  }
  for (const OriginCall call : {OriginCall::stat, OriginCall::file_stat}) fake_->fail_next(call, 0, 0);
  const auto healed = clock_.now();
  EXPECT_TRUE(eventually([&] {
    if (guarded_.health().health == Health::up) return true;
    if (clock_.now() < healed + 10s) clock_.advance(100ms);
    return false;
  }));
}

TEST_F(GuardedHealth, OneFailingCallOfAWellOriginIsNoOutage) {
  fake_->fail_next(OriginCall::file_stat, 1, EIO);
  const auto failed = look();
  ASSERT_TRUE(failed->await(1));
  ASSERT_TRUE(fake_->await_calls(OriginCall::space, 1)) << "it is probed";
  EXPECT_TRUE(guarded_.is_answering());
  const auto answered = look();
  ASSERT_TRUE(answered->await(1));
  EXPECT_TRUE(is_ok(answered->all().front()));
  EXPECT_EQ(heard_->count(), 0U);
}

TEST_F(GuardedHealth, OneCallThatHangsWhileOthersComeBackIsNoOutage) {
  fake_->close_gate(OriginCall::file_stat);
  const auto hanging = look_that_hangs();
  clock_.advance(9500ms);
  ASSERT_NO_FATAL_FAILURE(look_beside());
  clock_.advance(500ms);
  ASSERT_TRUE(hanging->await(1));
  EXPECT_TRUE(has_kind(hanging->all().front(), ErrorKind::timeout));
  EXPECT_TRUE(guarded_.is_answering());
  ASSERT_TRUE(fake_->await_calls(OriginCall::space, 1)) << "it is probed";
  ASSERT_NO_FATAL_FAILURE(look_beside());
  EXPECT_TRUE(guarded_.is_answering());
  EXPECT_EQ(guarded_.health().health, Health::degraded) << "a thread is lost";
  heal();
  EXPECT_TRUE(await_health(Health::up));
}

TEST_F(GuardedHealth, OthersThatCameBackBeforeAllHungAreNoAnswer) {
  fake_->close_gate(OriginCall::file_stat);
  const auto hanging = look_that_hangs();
  clock_.advance(8s);
  ASSERT_NO_FATAL_FAILURE(look_beside());
  hang();
  clock_.advance(2s);
  ASSERT_TRUE(hanging->await(1));
  EXPECT_FALSE(guarded_.is_answering());
}

TEST_F(GuardedHealth, ProbesThatNeverReturnAreFewAndAHealedOriginIsFoundAllTheSame) {
  hang();
  ASSERT_NO_FATAL_FAILURE(miss());
  for (int minute = 0; minute < 10; ++minute) {
    for (int second = 0; second < 60; ++second) {
      clock_.advance(1s);
      std::this_thread::yield();
    }
  }
  EXPECT_LE(fake_->calls(OriginCall::stat), 5U);
  fake_->open_gate(OriginCall::file_stat);  // the probes hang for ever, but calls come back
  ASSERT_TRUE(eventually([&] {
    clock_.advance(1s);
    return guarded_.is_answering() || fake_->calls(OriginCall::stat) < 5;
  }));
}

TEST_F(GuardedHealth, AnHourOfFlappingLeavesNoThreadBehind) {
  constexpr std::size_t kAtATime = 3;
  for (int round = 0; round < 90; ++round) {  // of 40 s
    const std::size_t seen = heard_->count();
    hang();
    std::vector<std::shared_ptr<Heard<Result<Attributes>>>> waiting;
    for (std::size_t i = 0; i < kAtATime; ++i) {
      waiting.push_back(look());
      waiting.push_back(look({.timeout = 2min, .is_patient = true}));
    }
    ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, 2 * kAtATime));
    clock_.advance(10s);
    for (std::size_t i = 0; i < waiting.size(); i += 2) ASSERT_TRUE(waiting[i]->await(1));
    ASSERT_TRUE(await_health(Health::degraded, seen));
    ASSERT_TRUE(fake_->await_held(OriginCall::stat, 1));
    clock_.advance(20s);
    heal();
    for (const auto& one : waiting) ASSERT_TRUE(one->await(1));
    ASSERT_TRUE(await_health(Health::up, seen)) << "round " << round;
    clock_.advance(10s);
    EXPECT_TRUE(eventually([&] { return guarded_.lost_threads() == 0; })) << "round " << round;
    EXPECT_LE(origin_threads(), 16U + 8U) << "round " << round;
  }
  guarded_.stop();
  EXPECT_TRUE(eventually([] { return origin_threads() == 0; })) << origin_threads();
}

class CrowdedHealth : public GuardedHealth {
 protected:
  CrowdedHealth() : GuardedHealth({.look_threads = 1, .change_threads = 1, .max_lost = 1, .max_waiting = 10}) {}
};

TEST_F(CrowdedHealth, ALookThatIsToBeAskedAgainHoldsNoThreadMeanwhile) {
  fake_->fail_next(OriginCall::file_stat, 1, ENOTCONN);
  const auto resting = look({.timeout = 1h, .is_patient = true, .asks_again = true});
  ASSERT_TRUE(fake_->await_calls(OriginCall::file_stat, 1));
  const auto beside = look({.timeout = 1h, .is_patient = true});
  ASSERT_TRUE(beside->await(1)) << "by the only thread, while no time goes by";
  EXPECT_TRUE(is_ok(beside->all().front()));
  EXPECT_EQ(resting->count(), 0U);
  ASSERT_TRUE(eventually([&] {
    clock_.step(1s);
    return resting->count() > 0;
  }));
  EXPECT_TRUE(is_ok(resting->all().front()));
}

TEST_F(CrowdedHealth, NothingQueuesWithoutBound) {
  hang();
  std::vector<std::shared_ptr<Heard<Result<Attributes>>>> waiting;
  waiting.push_back(look({.timeout = 1h, .is_patient = true}));
  ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, 1));
  for (int i = 0; i < 10; ++i) waiting.push_back(look({.timeout = 1h, .is_patient = true}));
  const auto refused = look({.timeout = 1h, .is_patient = true});
  ASSERT_EQ(refused->count(), 1U);
  EXPECT_TRUE(has_kind(refused->all().front(), ErrorKind::timeout));
  heal();
  for (const auto& one : waiting) {
    ASSERT_TRUE(one->await(1));
    EXPECT_TRUE(is_ok(one->all().front()));
  }
}

}  // namespace
}  // namespace arenacache::test
