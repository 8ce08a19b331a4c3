// SPDX-License-Identifier: Apache-2.0
// Sizes and durations as people write and read them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "arenacache/base/result.h"

namespace arenacache::base {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

/// "200GiB", "4MiB", "1.5TiB", "512", "10GB" (10^9), "64k" (KiB). ErrorKind::invalid says what is wrong and gives an example.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view word);
/// "30s", "100ms", "5m", "2h", "1d", "1.5s"; a bare number is refused except "0".
[[nodiscard]] Result<std::chrono::nanoseconds> parse_duration(std::string_view word);

/// "0 B", "912 B", "4.0 KiB", "12.3 GiB": at most 4 digits.
[[nodiscard]] std::string format_size(std::uint64_t bytes);
/// "112 MB/s": decimal, as disks and lines are sold.
[[nodiscard]] std::string format_rate(double bytes_per_second);
/// "3.2 s", "2 m 05 s", "4 h 10 m", "3 d 4 h".
[[nodiscard]] std::string format_duration(std::chrono::nanoseconds duration);

}  // namespace arenacache::base
