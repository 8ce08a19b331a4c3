// SPDX-License-Identifier: Apache-2.0
#include "outcome.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace arenacache::bench {
namespace {

double percentile(const std::vector<double>& sorted, double share) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(std::lround(last * share))];
}

std::string latencies_json(std::vector<double> latencies) {
  if (latencies.empty()) return "null";
  std::ranges::sort(latencies);
  std::array<char, 200> line{};
  std::snprintf(line.data(), line.size(), R"({"count":%zu,"median":%.3f,"p90":%.3f,"p99":%.3f,"max":%.3f})",
                latencies.size(), percentile(latencies, 0.5), percentile(latencies, 0.9), percentile(latencies, 0.99),
                latencies.back());
  return line.data();
}

}  // namespace

void Outcome::add(const Outcome& other) {
  bytes += other.bytes;
  seconds += other.seconds;
  sum = other.sum;
  is_complete = is_complete && other.is_complete;
  latencies_us.insert(latencies_us.end(), other.latencies_us.begin(), other.latencies_us.end());
}

std::string to_json(const Outcome& outcome) {
  std::array<char, 200> line{};
  std::snprintf(line.data(), line.size(),
                R"({"bytes":%)" PRIu64 R"(,"seconds":%.9f,"sum":"%016)" PRIx64 R"(","complete":%s,"latencies_us":)",
                outcome.bytes, outcome.seconds, outcome.sum, outcome.is_complete ? "true" : "false");
  return std::string(line.data()) + latencies_json(outcome.latencies_us) + "}";
}

std::uint64_t sum_of(std::span<const std::byte> bytes) {
  constexpr std::size_t kLanes = 8;  // of one vector register's width or two: as fast as memory
  std::array<std::uint64_t, kLanes> lanes{};
  while (bytes.size() >= sizeof lanes) {
    std::array<std::uint64_t, kLanes> words;
    std::memcpy(words.data(), bytes.data(), sizeof words);
    for (std::size_t i = 0; i < kLanes; ++i) lanes[i] += words[i];
    bytes = bytes.subspan(sizeof lanes);
  }
  std::array<std::uint64_t, kLanes> rest{};
  std::memcpy(rest.data(), bytes.data(), bytes.size());
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kLanes; ++i) total += lanes[i] + rest[i];
  return total;
}

double Stopwatch::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

bool Stopwatch::is_over() const { return limit_.count() > 0 && Clock::now() - start_ >= limit_; }

}  // namespace arenacache::bench
