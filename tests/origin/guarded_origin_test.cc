// SPDX-License-Identifier: Apache-2.0
#include "arenacache/origin/guarded_origin.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_origin.h"
#include "support/matchers.h"
#include "support/simulated_clock.h"

namespace arenacache::test {
namespace {

using base::ErrorKind;
using base::Result;
using origin::ChangeKey;
using origin::GuardedOrigin;
using origin::GuardLimits;
using origin::LookTerms;
using origin::Origin;
using namespace std::chrono_literals;

using Attributes = origin::Attributes;

/// Answers as they come, from any thread.
template <class T>
class Answers {
 public:
  void add(T answer) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
    came_.notify_all();
  }
  /// Waits until `count` came; whether they did in ten seconds.
  bool await(std::size_t count) {
    std::unique_lock lock(mutex_);
    return came_.wait_for(lock, 10s, [&] { return answers_.size() >= count; });
  }
  std::vector<T> all() {
    const std::lock_guard lock(mutex_);
    return answers_;
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return answers_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<T> answers_;
};

class Guarded : public testing::Test {
 protected:
  Guarded() { fake_->put("f", "12345"); }
  ~Guarded() override { fake_->open_all_gates(); }

  /// Of another kind than a probe makes: a gate that holds looks holds no probe.
  static Result<Attributes> ask(Origin& origin) {
    AC_ASSIGN(const auto file, origin.open("f", O_RDONLY, nullptr));
    return file->stat();
  }

  /// Made whatever the origin's health is: guarded_health_test.cc has the others.
  static LookTerms within(std::chrono::nanoseconds timeout) { return {.timeout = timeout, .is_patient = true}; }

  void look(GuardedOrigin& guarded, std::chrono::nanoseconds timeout = 10s) {
    guarded.look<Attributes>(within(timeout), ask,
                             [answers = answers_](Result<Attributes> result) { answers->add(std::move(result)); });
  }

  /// A probe that time ran away from counts until it is back.
  static void await_lost(const GuardedOrigin& guarded, unsigned count) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (guarded.lost_threads() != count && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    EXPECT_EQ(guarded.lost_threads(), count);
  }

  static constexpr ChangeKey key(std::uint64_t number) { return static_cast<ChangeKey>(number); }

  SimulatedClock clock_;
  std::shared_ptr<FakeOrigin> fake_ = std::make_shared<FakeOrigin>(clock_);
  std::shared_ptr<Answers<Result<Attributes>>> answers_ = std::make_shared<Answers<Result<Attributes>>>();
};

TEST_F(Guarded, ALookAnswersWithTheCallsResult) {
  GuardedOrigin guarded(fake_, clock_, {});
  EXPECT_EQ(guarded.fidelity().file_system, "ext4");
  look(guarded);
  ASSERT_TRUE(answers_->await(1));
  EXPECT_EQ(must(answers_->all().front()).st_size, 5);
  fake_->fail_next(OriginCall::file_stat, 1, EIO);
  look(guarded);
  ASSERT_TRUE(answers_->await(2));
  EXPECT_TRUE(has_kind(answers_->all().back(), ErrorKind::origin));
  EXPECT_EQ(guarded.lost_threads(), 0U);
}

TEST_F(Guarded, ALookThatHangsIsAnsweredAtItsDeadlineAndNotBefore) {
  GuardedOrigin guarded(fake_, clock_, {});
  fake_->close_gate(OriginCall::file_stat);
  look(guarded, 10s);
  ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, 1));
  ASSERT_TRUE(clock_.await_waiters(1));
  clock_.advance(9s);
  EXPECT_EQ(answers_->count(), 0U);
  clock_.advance(1s);
  ASSERT_TRUE(answers_->await(1));
  EXPECT_TRUE(has_kind(answers_->all().front(), ErrorKind::timeout));
  EXPECT_EQ(answers_->all().front().error().errno_value, ETIMEDOUT);
  await_lost(guarded, 1);
}

TEST_F(Guarded, AnEarlierDeadlineThatComesLaterIsKept) {
  GuardedOrigin guarded(fake_, clock_, {});
  fake_->close_gate(OriginCall::file_stat);
  look(guarded, 100s);
  ASSERT_TRUE(clock_.await_waiters(1));
  look(guarded, 1s);
  ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, 2));
  clock_.advance(1s);
  ASSERT_TRUE(answers_->await(1));
  EXPECT_EQ(answers_->count(), 1U);
}

TEST_F(Guarded, ALateResultIsDroppedAndItsThreadComesBack) {
  GuardedOrigin guarded(fake_, clock_, {.look_threads = 1, .change_threads = 1, .max_lost = 1});
  fake_->close_gate(OriginCall::file_stat);
  look(guarded);
  ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, 1));
  clock_.advance(10s);
  ASSERT_TRUE(answers_->await(1));
  fake_->open_gate(OriginCall::file_stat);
  // Two threads' worth of looks, one after the other: only a thread that came back can run them all with nobody lost.
  for (std::size_t i = 2; i <= 4; ++i) {
    look(guarded);
    ASSERT_TRUE(answers_->await(i));
    EXPECT_TRUE(is_ok(answers_->all().back()));
  }
  EXPECT_EQ(answers_->count(), 4U);
  guarded.stop();
  EXPECT_EQ(answers_->count(), 4U);
}

TEST_F(Guarded, LostThreadsAreReplacedUpToTheBoundAndNoFurther) {
  constexpr GuardLimits kLimits{.look_threads = 2, .change_threads = 1, .max_lost = 3};
  GuardedOrigin guarded(fake_, clock_, kLimits);
  fake_->close_gate(OriginCall::file_stat);
  unsigned hanging = 0;
  for (unsigned round = 0; round < 5; ++round) {
    for (int i = 0; i < 2; ++i) look(guarded);
    hanging = std::min(hanging + 2, kLimits.look_threads + kLimits.max_lost);
    ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, hanging));
    clock_.advance(10s);
    ASSERT_TRUE(answers_->await(std::size_t{2} * (round + 1)));
  }
  await_lost(guarded, 3);
  EXPECT_EQ(fake_->calls(OriginCall::file_stat), 5U);  // of ten looks: the others failed without having started
  for (const auto& answer : answers_->all()) EXPECT_TRUE(has_kind(answer, ErrorKind::timeout));
  fake_->open_gate(OriginCall::file_stat);
  look(guarded);
  ASSERT_TRUE(answers_->await(11));
  EXPECT_TRUE(is_ok(answers_->all().back()));
}

TEST_F(Guarded, AQueuedLookThatExpiresNeverRuns) {
  GuardedOrigin guarded(fake_, clock_, {.look_threads = 1, .change_threads = 1, .max_lost = 0});
  fake_->close_gate(OriginCall::file_stat);
  look(guarded, 100s);
  ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, 1));
  look(guarded, 1s);
  clock_.advance(1s);
  ASSERT_TRUE(answers_->await(1));
  EXPECT_TRUE(has_kind(answers_->all().front(), ErrorKind::timeout));
  fake_->open_gate(OriginCall::file_stat);
  ASSERT_TRUE(answers_->await(2));
  EXPECT_TRUE(is_ok(answers_->all().back()));
  EXPECT_EQ(fake_->calls(OriginCall::file_stat), 1U);
}

TEST_F(Guarded, ManyLooksRunSideBySide) {
  GuardedOrigin guarded(fake_, clock_, {.look_threads = 8, .change_threads = 1, .max_lost = 1});
  fake_->close_gate(OriginCall::file_stat);
  for (int i = 0; i < 20; ++i) look(guarded);
  ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, 8));
  EXPECT_EQ(fake_->calls(OriginCall::file_stat), 8U);
  fake_->open_gate(OriginCall::file_stat);
  ASSERT_TRUE(answers_->await(20));
}

TEST_F(Guarded, EveryLookIsAnsweredOnceHoweverResultAndDeadlineRace) {
  constexpr std::size_t kLooks = 2000;
  GuardedOrigin guarded(fake_, clock_, {.look_threads = 4, .change_threads = 1, .max_lost = 4});
  std::vector<std::atomic<int>> times(kLooks);
  auto done = std::make_shared<Answers<int>>();
  std::atomic<bool> is_over{false};
  std::thread ticker([&] {
    while (!is_over) {
      clock_.advance(1ms);
      std::this_thread::yield();
    }
  });
  for (std::size_t i = 0; i < kLooks; ++i) {
    guarded.look<Attributes>(within(std::chrono::milliseconds(i % 3)), ask,
                             [&times, i, done](const Result<Attributes>& result) {
                               ++times[i];
                               done->add(result.has_value() ? 0 : result.error().errno_value);
                             });
  }
  EXPECT_TRUE(done->await(kLooks));
  is_over = true;
  ticker.join();
  guarded.stop();
  EXPECT_TRUE(std::ranges::all_of(times, [](const std::atomic<int>& count) { return count == 1; }));
  for (const int error : done->all()) EXPECT_TRUE(error == 0 || error == ETIMEDOUT) << error;
}

TEST_F(Guarded, ACompletionMayAskAgainAndMayThrow) {
  GuardedOrigin guarded(fake_, clock_, {.look_threads = 1, .change_threads = 1, .max_lost = 0});
  guarded.look<Attributes>(10s, ask, [&](const Result<Attributes>&) {
    look(guarded);
    throw std::runtime_error("a bug in a completion");
  });
  ASSERT_TRUE(answers_->await(1));
  EXPECT_TRUE(is_ok(answers_->all().front()));
}

TEST_F(Guarded, ACallThatThrowsIsAnError) {
  GuardedOrigin guarded(fake_, clock_, {});
  guarded.look<Attributes>(
      10s, [](Origin&) -> Result<Attributes> { throw std::runtime_error("a bug in a call"); },
      [answers = answers_](Result<Attributes> result) { answers->add(std::move(result)); });
  ASSERT_TRUE(answers_->await(1));
  EXPECT_TRUE(has_kind(answers_->all().front(), ErrorKind::origin));
}

TEST_F(Guarded, ChangesOfOneKeyRunOneByOneInOrder) {
  GuardedOrigin guarded(fake_, clock_, {});
  auto order = std::make_shared<Answers<int>>();
  const std::array keys{key(1)};
  for (int i = 0; i < 200; ++i) guarded.change(keys, [order, i](Origin&) { order->add(i); });
  ASSERT_TRUE(order->await(200));
  const auto seen = order->all();
  EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST_F(Guarded, ChangesOfOtherKeysDoNotWait) {
  GuardedOrigin guarded(fake_, clock_, {});
  fake_->close_gate(OriginCall::rename);
  auto order = std::make_shared<Answers<int>>();
  const auto hang = [order](Origin& origin) {
    EXPECT_FALSE(origin.rename("no", "where", 0, {}).has_value());
    order->add(0);
  };
  guarded.change(std::array{key(1)}, hang);
  guarded.change(std::array{key(1)}, [order](Origin&) { order->add(1); });
  ASSERT_TRUE(fake_->await_held(OriginCall::rename, 1));
  guarded.change(std::array{key(2)}, [order](Origin&) { order->add(2); });
  look(guarded);
  ASSERT_TRUE(order->await(1));
  ASSERT_TRUE(answers_->await(1));
  clock_.advance(1h);  // no deadline for changes
  EXPECT_EQ(order->all(), std::vector<int>{2});
  fake_->open_gate(OriginCall::rename);
  ASSERT_TRUE(order->await(3));
  EXPECT_EQ(order->all(), (std::vector<int>{2, 0, 1}));
}

TEST_F(Guarded, AChangeOfTwoKeysWaitsForBothAndHoldsBoth) {
  GuardedOrigin guarded(fake_, clock_, {});
  fake_->close_gate(OriginCall::rename);
  auto order = std::make_shared<Answers<int>>();
  const auto note = [&](int number) { return [order, number](Origin&) { order->add(number); }; };
  guarded.change(std::array{key(1)}, [order](Origin& origin) {
    EXPECT_FALSE(origin.rename("no", "where", 0, {}).has_value());
    order->add(1);
  });
  guarded.change(std::array{key(1), key(2)}, note(2));
  guarded.change(std::array{key(2), key(3)}, note(3));
  guarded.change(std::array{key(3), key(1)}, note(4));  // a ring: it would lock up if queues were entered one by one
  guarded.change(std::array{key(5), key(5)}, note(5));
  ASSERT_TRUE(order->await(1));
  EXPECT_EQ(order->all(), std::vector<int>{5});
  fake_->open_gate(OriginCall::rename);
  ASSERT_TRUE(order->await(5));
  EXPECT_EQ(order->all(), (std::vector<int>{5, 1, 2, 3, 4}));
}

TEST_F(Guarded, ManyChangesOfTwoKeysAllRunInOrderAndNeverTogether) {
  constexpr std::size_t kKeys = 5;
  constexpr int kChanges = 2000;
  GuardedOrigin guarded(fake_, clock_, {.look_threads = 1, .change_threads = 4, .max_lost = 0});
  std::array<std::atomic<int>, kKeys> inside{};
  std::array<std::vector<int>, kKeys> seen;  // guarded by the very order that is tested; tsan looks on
  Answers<int> done;
  unsigned random = 7;
  for (int i = 0; i < kChanges; ++i) {
    random = random * 1103515245U + 12345U;
    const std::size_t a = (random >> 16U) % kKeys;
    const std::size_t b = (random >> 20U) % kKeys;
    guarded.change(std::array{key(a), key(b)}, [&, a, b, i](Origin&) {
      EXPECT_EQ(inside.at(a)++, 0);
      EXPECT_EQ(inside.at(b)++, b == a ? 1 : 0);
      seen.at(a).push_back(i);
      if (b != a) seen.at(b).push_back(i);
      --inside.at(a);
      --inside.at(b);
      done.add(i);
    });
  }
  ASSERT_TRUE(done.await(kChanges));
  guarded.stop();
  for (const auto& numbers : seen) EXPECT_TRUE(std::ranges::is_sorted(numbers));
}

TEST_F(Guarded, StopAnswersWhatWaitsAndDoesNotWaitForLooks) {
  auto guarded = std::make_unique<GuardedOrigin>(fake_, clock_,
                                                 GuardLimits{.look_threads = 1, .change_threads = 1, .max_lost = 1});
  fake_->close_gate(OriginCall::file_stat);
  look(*guarded);
  ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, 1));
  look(*guarded);
  guarded->stop();
  EXPECT_EQ(answers_->count(), 2U);
  for (const auto& answer : answers_->all()) EXPECT_TRUE(has_kind(answer, ErrorKind::cancelled));
  look(*guarded);
  EXPECT_EQ(answers_->count(), 3U);
  guarded->stop();
  guarded.reset();  // with the look still hanging
  EXPECT_TRUE(fake_->await_held(OriginCall::file_stat, 1));
}

TEST_F(Guarded, StopWaitsForTheRunningChangeAndDestroysThoseThatWait) {
  GuardedOrigin guarded(fake_, clock_, {});
  fake_->close_gate(OriginCall::create);
  auto order = std::make_shared<Answers<int>>();
  struct AnswersWhenDestroyed {
    std::shared_ptr<Answers<int>> order;
    ~AnswersWhenDestroyed() { order->add(2); }
  };
  guarded.change(std::array{key(1)}, [order](Origin& origin) {
    EXPECT_TRUE(is_ok(origin.make_directory("d", 0755, {})));
    order->add(1);
  });
  ASSERT_TRUE(fake_->await_held(OriginCall::create, 1));
  auto waiting = std::make_unique<AnswersWhenDestroyed>(order);
  guarded.change(std::array{key(1)}, [order, held = std::move(waiting)](Origin&) { order->add(3); });
  std::jthread stopper([&] { guarded.stop(); });
  ASSERT_TRUE(order->await(1));
  EXPECT_EQ(order->all(), std::vector<int>{2});
  fake_->open_gate(OriginCall::create);
  stopper.join();
  EXPECT_EQ(order->all(), (std::vector<int>{2, 1}));
  guarded.change(std::array{key(1)}, [order](Origin&) { order->add(4); });
  EXPECT_EQ(order->count(), 2U);
}

TEST_F(Guarded, ChangesThatAreHeldRunInOrderOnceTheyAreLetGo) {
  GuardedOrigin guarded(fake_, clock_, {.holds_changes = true});
  auto order = std::make_shared<Answers<int>>();
  for (int number = 1; number <= 3; ++number) {
    guarded.change(std::array{key(1)}, [order, number](Origin&) { order->add(number); });
  }
  look(guarded);
  ASSERT_TRUE(answers_->await(1)) << "looks do not wait for it";
  EXPECT_EQ(order->count(), 0U);
  guarded.let_changes_go();
  ASSERT_TRUE(order->await(3));
  EXPECT_EQ(order->all(), (std::vector<int>{1, 2, 3}));
  guarded.let_changes_go();
  guarded.change(std::array{key(1)}, [order](Origin&) { order->add(4); });
  EXPECT_TRUE(order->await(4));
}

TEST_F(Guarded, StopDestroysWhatIsHeld) {
  GuardedOrigin guarded(fake_, clock_, {.holds_changes = true});
  auto held = std::make_shared<int>(1);
  guarded.change(std::array{key(1)}, [held](Origin&) { FAIL(); });
  guarded.stop();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(Guarded, ACompletionMayBeTheLastToHoldTheGuard) {
  auto guarded = std::make_shared<GuardedOrigin>(fake_, clock_, GuardLimits{});
  fake_->close_gate(OriginCall::file_stat);
  GuardedOrigin& guard = *guarded;
  guard.look<Attributes>(10s, ask, [answers = answers_, held = std::move(guarded)](Result<Attributes> result) mutable {
    held.reset();
    answers->add(std::move(result));
  });
  fake_->open_gate(OriginCall::file_stat);
  ASSERT_TRUE(answers_->await(1));
  EXPECT_TRUE(is_ok(answers_->all().front()));
}

TEST_F(Guarded, WhatAnExpiredLookHeldIsLetGoOnNoThreadThatOthersNeed) {
  GuardedOrigin guarded(fake_, clock_, {.look_threads = 1, .change_threads = 1, .max_lost = 1});
  /// As the last handle of a file whose close blocks.
  struct ClosesSlowly {
    std::shared_ptr<FakeOrigin> fake;
    ~ClosesSlowly() { static_cast<void>(fake->sync_directory("")); }
  };
  fake_->close_gate(OriginCall::file_stat);
  fake_->close_gate(OriginCall::sync);
  look(guarded, 2s);
  ASSERT_TRUE(fake_->await_held(OriginCall::file_stat, 1));
  auto slow = std::make_unique<ClosesSlowly>(fake_);
  guarded.look<Attributes>(
      1s, [held = std::move(slow)](Origin& origin) { return ask(origin); },
      [answers = answers_](Result<Attributes> result) { answers->add(std::move(result)); });
  clock_.advance(1s);  // the second expires in the queue: what it held is being closed now, and hangs
  ASSERT_TRUE(answers_->await(1));
  ASSERT_TRUE(fake_->await_held(OriginCall::sync, 1));
  clock_.advance(1s);  // the timer still works, and so does a replacement for the first one's thread
  ASSERT_TRUE(answers_->await(2));
  fake_->open_gate(OriginCall::file_stat);
  look(guarded);
  ASSERT_TRUE(answers_->await(3));
  EXPECT_TRUE(is_ok(answers_->all().back()));
}

}  // namespace
}  // namespace arenacache::test
