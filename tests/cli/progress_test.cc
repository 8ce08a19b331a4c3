// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <gtest/gtest.h>

#include <chrono>

#include "arenacache/base/units.h"

namespace arenacache::cli {
namespace {

using base::kGiB;
using base::TimePoint;
using namespace std::chrono_literals;

TEST(ProgressLine, ShowsBytesRateAndTimeLeft) {
  const Progress progress{.done_files = 3, .total_files = 12, .cached_bytes = 10 * kGiB, .total_bytes = 40 * kGiB};
  EXPECT_EQ(progress_line(progress, 1024.0 * 1024 * 1024, {}),
            "[#####---------------]  25 %  10.0 GiB of 40.0 GiB  1.1 GB/s  30.0 s left  3/12 files");
}

TEST(ProgressLine, ShowsNoRateThatIsNotKnown) {
  const Progress progress{.done_files = 0, .total_files = 1, .cached_bytes = 0, .total_bytes = kGiB};
  EXPECT_EQ(progress_line(progress, std::nullopt, {}), "[--------------------]   0 %  0 B of 1.0 GiB  0/1 files");
  EXPECT_EQ(progress_line(progress, 0.0, {}), "[--------------------]   0 %  0 B of 1.0 GiB  0/1 files");
}

TEST(ProgressLine, IsWholeWhenThereIsNothingToDo) {
  EXPECT_EQ(progress_line({}, std::nullopt, {}), "[####################] 100 %  0 B of 0 B  0/0 files");
}

TEST(RateMeter, FindsASteadyRateAtOnceAndFollowsAChange) {
  RateMeter meter;
  TimePoint now{1h};
  meter.add(now, 1000);
  EXPECT_EQ(meter.bytes_per_second(), std::nullopt);
  meter.add(now += 2s, 3000);
  EXPECT_DOUBLE_EQ(meter.bytes_per_second().value(), 1000);
  for (std::uint64_t bytes = 8000; bytes < 500'000; bytes += 5000) meter.add(now += 1s, bytes);
  EXPECT_NEAR(meter.bytes_per_second().value(), 5000, 50);
}

TEST(RateMeter, BytesThatWentAwayAreNoNegativeRate) {
  RateMeter meter;
  meter.add(TimePoint{1s}, 1000);
  meter.add(TimePoint{2s}, 10);
  EXPECT_DOUBLE_EQ(meter.bytes_per_second().value(), 0);
}

}  // namespace
}  // namespace arenacache::cli
