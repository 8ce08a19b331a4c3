// SPDX-License-Identifier: Apache-2.0
// Outcome: what one work gave, and Stopwatch, which times it. Printed as one line of JSON.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace arenacache::bench {

struct Outcome {
  std::uint64_t bytes = 0;
  double seconds = 0;
  std::uint64_t sum = 0;  ///< of the 64-bit words read, wrapping: the same in any order
  bool is_complete = true;  ///< false: stopped by Options::limit
  std::vector<double> latencies_us{};  ///< where each call is timed

  /// Bytes, seconds and latencies of another pass of the same work.
  void add(const Outcome& other);
};

/// One line.
std::string to_json(const Outcome& outcome);

/// The wrapping sum of the 64-bit words; a last part of a word counts as filled with zeros.
std::uint64_t sum_of(std::span<const std::byte> bytes);

class Stopwatch {
 public:
  explicit Stopwatch(std::chrono::milliseconds limit = {}) : limit_(limit) {}
  [[nodiscard]] double seconds() const;
  /// The limit, if there is one, is over.
  [[nodiscard]] bool is_over() const;

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
  std::chrono::milliseconds limit_;
};

}  // namespace arenacache::bench
