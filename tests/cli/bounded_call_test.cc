// SPDX-License-Identifier: Apache-2.0
#include "bounded_call.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

namespace arenacache::cli {
namespace {

using nlohmann::json;

base::TimePoint in(std::chrono::milliseconds patience) { return base::SystemClock().now() + patience; }

TEST(BoundedCall, BringsTheAnswerBack) {
  BoundedCall call([]() -> json { return {{"long", std::string(300'000, 'x')}}; });
  const auto answer = call.result(in(std::chrono::minutes(1)));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->at("long").get<std::string>().size(), 300'000U);
}

TEST(BoundedCall, AHungOneIsGivenUpAtTheDeadline) {
  BoundedCall call([]() -> json {
    while (true) ::pause();
  });
  EXPECT_FALSE(call.result(in(std::chrono::milliseconds(30))).has_value());
}

TEST(BoundedCall, AnAnswerThatIsThereCountsPastTheDeadline) {
  BoundedCall call([]() -> json { return 5; });
  const base::TimePoint past = in(std::chrono::milliseconds(-1));
  const base::TimePoint patience = in(std::chrono::minutes(1));
  auto answer = call.result(past);
  while (!answer && base::SystemClock().now() < patience) answer = call.result(past);
  EXPECT_EQ(answer, 5) << "a hung one beside it has used the time up";
}

TEST(BoundedCall, OneThatThrowsIsNoAnswer) {
  BoundedCall call([]() -> json { throw std::runtime_error("no"); });
  EXPECT_FALSE(call.result(in(std::chrono::minutes(1))).has_value());
}

TEST(BoundedCall, AHungOneHoldsNoDescriptorOfTheCaller) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const base::UniqueFd reading(ends[0]);
  base::UniqueFd writing(ends[1]);
  BoundedCall call([]() -> json {
    while (true) ::pause();
  });
  writing.reset();
  pollfd event{.fd = reading.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&event, 1, 60'000), 1) << "whoever reads our output would wait for it";
  EXPECT_NE(event.revents & POLLHUP, 0);
}

}  // namespace
}  // namespace arenacache::cli
