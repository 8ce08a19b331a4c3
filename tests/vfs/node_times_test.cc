// SPDX-License-Identifier: Apache-2.0
#include "node_times.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "arenacache/origin/local_origin.h"

namespace arenacache::vfs {
namespace {

TEST(NodeTimesTest, ATimeComesBackAsItWas) {
  constexpr std::int64_t kIn1700 = -8'520'336'000;
  constexpr std::int64_t kIn2200 = 7'258'118'400;
  for (const std::int64_t seconds : {kIn1700, std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, kIn2200}) {
    const timespec time = to_timespec(to_ns({.tv_sec = seconds, .tv_nsec = 999'999'999}));
    EXPECT_EQ(time.tv_sec, seconds);
    EXPECT_EQ(time.tv_nsec, 999'999'999);
  }
}

TEST(NodeTimesTest, ATimeThatDoesNotFitIsTheOneOfTheVersion) {
  constexpr std::int64_t kIn2300 = 10'413'792'000;
  for (const std::int64_t seconds :
       {kIn2300, -kIn2300, std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    origin::Attributes attributes{};
    attributes.st_mtim = {.tv_sec = seconds, .tv_nsec = 5};
    EXPECT_EQ(to_ns(attributes.st_mtim), origin::version_of(attributes).mtime_ns) << seconds;
  }
}

}  // namespace
}  // namespace arenacache::vfs
