// SPDX-License-Identifier: Apache-2.0
#include "arenacache/policy/fill_parallelism.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include <gtest/gtest.h>

namespace arenacache::policy {
namespace {

using std::chrono::duration_cast;

constexpr std::uint64_t kRead = std::uint64_t{4} << 20U;

/// Fills `megabytes` from an origin that gives `rate(parallel)` MB/s.
void fill(FillParallelism& parallelism, base::TimePoint& now, double megabytes,
          const std::function<double(unsigned)>& rate, bool is_alone = true) {
  for (double done = 0; done < megabytes; done += static_cast<double>(kRead) / 1e6) {
    const double seconds = static_cast<double>(kRead) / 1e6 / rate(parallelism.value());
    now += duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
    parallelism.came_back(kRead, now, is_alone);
  }
}

TEST(FillParallelism, HardDiskThatSeeksStaysAtOne) {
  FillParallelism parallelism(1);
  base::TimePoint now{std::chrono::hours(1)};
  fill(parallelism, now, 1000, [](unsigned parallel) { return 150.0 / parallel; });
  EXPECT_EQ(parallelism.value(), 1U);
}

TEST(FillParallelism, LineThatGivesEachReadAPartIsFilled) {
  FillParallelism parallelism(1);
  base::TimePoint now{std::chrono::hours(1)};
  fill(parallelism, now, 2000, [](unsigned parallel) { return std::min(30.0 * parallel, 117.0); });
  EXPECT_EQ(parallelism.value(), 4U);
}

TEST(FillParallelism, BucketTakesTheMost) {
  FillParallelism parallelism(4);
  base::TimePoint now{std::chrono::hours(1)};
  fill(parallelism, now, 4000, [](unsigned parallel) { return 50.0 * parallel; });
  EXPECT_EQ(parallelism.value(), FillParallelism::kMost);
}

TEST(FillParallelism, SlowLineIsMeasuredToo) {
  FillParallelism parallelism(4);
  base::TimePoint now{std::chrono::hours(1)};
  fill(parallelism, now, 400, [](unsigned) { return 10.0; });
  EXPECT_EQ(parallelism.value(), 4U);
}

TEST(FillParallelism, RatesThatReadersShareDoNotCount) {
  FillParallelism parallelism(2);
  base::TimePoint now{std::chrono::hours(1)};
  fill(parallelism, now, 1000, [](unsigned parallel) { return 50.0 * parallel; }, /*is_alone=*/false);
  EXPECT_EQ(parallelism.value(), 2U);
}

TEST(FillParallelism, WhatWasFoundIsTriedAgainAfterAWhile) {
  FillParallelism parallelism(1);
  base::TimePoint now{std::chrono::hours(1)};
  fill(parallelism, now, 2000, [](unsigned) { return 100.0; });
  ASSERT_EQ(parallelism.value(), 1U);
  now += FillParallelism::kTryAgainAfter;
  fill(parallelism, now, 2000, [](unsigned parallel) { return std::min(60.0 * parallel, 240.0); });
  EXPECT_EQ(parallelism.value(), 4U);
}

}  // namespace
}  // namespace arenacache::policy
