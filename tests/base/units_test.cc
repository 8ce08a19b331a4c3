// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/units.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/matchers.h"

namespace arenacache::base {
namespace {

using namespace std::chrono_literals;
using test::has_kind;

TEST(Units, reads_sizes) {
  const std::vector<std::pair<std::string_view, std::uint64_t>> cases = {
      {"0", 0},
      {"512", 512},
      {"512B", 512},
      {"64k", 64 * kKiB},
      {"4MiB", 4 * kMiB},
      {"200GiB", 200 * kGiB},
      {"200 GiB", 200 * kGiB},
      {"200gib", 200 * kGiB},
      {"1.5TiB", 1536 * kGiB},
      {"0.5k", 512},
      {"10GB", 10'000'000'000},
      {"2TB", 2'000'000'000'000},
      {"9007199254740993", 9007199254740993},
  };
  for (const auto& [word, bytes] : cases) {
    const auto parsed = parse_size(word);
    ASSERT_TRUE(test::is_ok(parsed)) << word;
    EXPECT_EQ(*parsed, bytes) << word;
  }
}

TEST(Units, refuses_what_is_no_size) {
  for (const std::string_view word : {"", "GiB", "-1", "+1", "1.GiB", ".5GiB", "12 parsecs", "1GiBs", "0x10", "nan",
                                      "1e9", "1  GiB", " 1GiB", "1GiB ", "80%"}) {
    EXPECT_TRUE(has_kind(parse_size(word), ErrorKind::invalid)) << word;
  }
  EXPECT_EQ(parse_size("big").error().what,
            "\"big\" is not a size: write a number with KiB, MiB, GiB or TiB, such as \"200GiB\"");
}

TEST(Units, refuses_sizes_beyond_64_bits) {
  EXPECT_EQ(parse_size("8192PiB").error().what, "the size \"8192PiB\" is too large: the most is 8191PiB");
  EXPECT_TRUE(has_kind(parse_size("99999999999999999999"), ErrorKind::invalid));
  EXPECT_TRUE(test::is_ok(parse_size("8191PiB")));
}

TEST(Units, reads_durations) {
  const std::vector<std::pair<std::string_view, std::chrono::nanoseconds>> cases = {
      {"0", 0ns},     {"0s", 0ns}, {"100ms", 100ms}, {"30s", 30s}, {"1.5s", 1500ms}, {"5m", 5min},
      {"5min", 5min}, {"2h", 2h},  {"1d", 24h},      {"7us", 7us}, {"9ns", 9ns},
  };
  for (const auto& [word, duration] : cases) {
    const auto parsed = parse_duration(word);
    ASSERT_TRUE(test::is_ok(parsed)) << word;
    EXPECT_EQ(*parsed, duration) << word;
  }
}

TEST(Units, refuses_what_is_no_duration) {
  EXPECT_EQ(parse_duration("30").error().what, "the duration \"30\" has no unit: write \"30s\", \"30m\" or \"30ms\"");
  EXPECT_EQ(parse_duration("soon").error().what,
            "\"soon\" is not a duration: write a number with ms, s, m, h or d, such as \"30s\"");
  EXPECT_EQ(parse_duration("200000d").error().what, "the duration \"200000d\" is too long: the most is 106751d");
  for (const std::string_view word : {"", "s", "-1s", "1y", "00"}) {
    EXPECT_TRUE(has_kind(parse_duration(word), ErrorKind::invalid)) << word;
  }
}

TEST(Units, writes_sizes) {
  const std::vector<std::pair<std::uint64_t, std::string_view>> cases = {
      {0, "0 B"},
      {912, "912 B"},
      {1023, "1023 B"},
      {1024, "1.0 KiB"},
      {4096, "4.0 KiB"},
      {123 * kMiB + 461 * kKiB, "123.5 MiB"},
      {1000 * kKiB, "1000 KiB"},
      {kMiB - 1, "1.0 MiB"},
      {std::uint64_t{12} * kGiB + 300 * kMiB, "12.3 GiB"},
      {std::numeric_limits<std::uint64_t>::max(), "16.0 EiB"},
  };
  for (const auto& [bytes, words] : cases) EXPECT_EQ(format_size(bytes), words) << bytes;
}

TEST(Units, writes_rates) {
  EXPECT_EQ(format_rate(0), "0 B/s");
  EXPECT_EQ(format_rate(-5), "0 B/s");
  EXPECT_EQ(format_rate(912), "912 B/s");
  EXPECT_EQ(format_rate(112e6), "112 MB/s");
  EXPECT_EQ(format_rate(1.23e9), "1.2 GB/s");
  EXPECT_EQ(format_rate(999.9e6), "1.0 GB/s");
}

TEST(Units, writes_durations) {
  const std::vector<std::pair<std::chrono::nanoseconds, std::string_view>> cases = {
      {0ns, "0 s"},       {1us, "under 1 ms"},      {250ms, "250 ms"}, {3200ms, "3.2 s"}, {59960ms, "1 m 00 s"},
      {125s, "2 m 05 s"}, {4h + 10min, "4 h 10 m"}, {76h, "3 d 4 h"},  {-2s, "-2.0 s"},
  };
  for (const auto& [duration, words] : cases) EXPECT_EQ(format_duration(duration), words) << duration.count();
}

}  // namespace
}  // namespace arenacache::base
