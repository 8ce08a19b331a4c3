// SPDX-License-Identifier: Apache-2.0
// Times of files as one number each, and back, times before 1970 included. Threads: any. Locks: none.
#pragma once

#include <ctime>

#include <cstdint>

namespace arenacache::vfs {

inline constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

/// A time before the year 1677 or after 2262 wraps, as in origin::version_of(): versions are still told apart by it.
[[nodiscard]] inline std::int64_t to_ns(const timespec& time) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(time.tv_sec) * kNanosecondsPerSecond +
                                   static_cast<std::uint64_t>(time.tv_nsec));
}

[[nodiscard]] inline timespec to_timespec(std::int64_t ns) {
  std::int64_t seconds = ns / kNanosecondsPerSecond;
  std::int64_t rest = ns % kNanosecondsPerSecond;
  if (rest < 0) {
    rest += kNanosecondsPerSecond;
    --seconds;
  }
  return {.tv_sec = seconds, .tv_nsec = rest};
}

}  // namespace arenacache::vfs
