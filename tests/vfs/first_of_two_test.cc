// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/first_of_two.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>

namespace arenacache::vfs {
namespace {

struct Heard {
  int answers = 0;
  int late = 0;
  std::optional<int> answer;
};

FirstOfTwo<int> race(Heard& heard) {
  return {[&heard](std::optional<int> result) {
            ++heard.answers;
            heard.answer = result;
          },
          [&heard](int) { ++heard.late; }};
}

TEST(FirstOfTwo, ResultThatComesFirstIsTheAnswer) {
  Heard heard;
  auto both = race(heard);
  EXPECT_TRUE(both.offer(7));
  EXPECT_FALSE(both.give_up());
  EXPECT_EQ(heard.answers, 1);
  EXPECT_EQ(heard.answer, 7);
  EXPECT_EQ(heard.late, 0);
}

TEST(FirstOfTwo, ResultAfterPatienceEndedIsLate) {
  Heard heard;
  auto both = race(heard);
  EXPECT_TRUE(both.give_up());
  EXPECT_FALSE(both.offer(7));
  EXPECT_EQ(heard.answers, 1);
  EXPECT_EQ(heard.answer, std::nullopt);
  EXPECT_EQ(heard.late, 1);
}

TEST(FirstOfTwo, LetsTheAnswerGoOnceGiven) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  FirstOfTwo<int> both([held = std::move(held)](std::optional<int>) {}, [](int) {});
  EXPECT_TRUE(both.give_up());
  EXPECT_TRUE(watch.expired());
}

TEST(FirstOfTwo, AnswersOnceWhenBothComeAtOnce) {
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> answers{0};
    std::atomic<int> late{0};
    FirstOfTwo<int> both([&](std::optional<int>) { ++answers; }, [&](int) { ++late; });
    std::atomic<bool> gave_up{false};
    std::thread patience([&] { gave_up = both.give_up(); });
    both.offer(1);
    patience.join();
    EXPECT_EQ(answers, 1);
    EXPECT_EQ(late, gave_up ? 1 : 0);
  }
}

}  // namespace
}  // namespace arenacache::vfs
