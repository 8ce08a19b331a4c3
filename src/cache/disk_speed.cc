// SPDX-License-Identifier: Apache-2.0
#include "disk_speed.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/units.h"

namespace arenacache::cache {
namespace {

constexpr std::uint64_t kReadBytes = 4 * base::kKiB;
constexpr int kReads = 16;
constexpr int kPages = 16;
constexpr base::Duration kEnough = std::chrono::seconds(1);  // for each of the two
/// Places a large step apart, so that no readahead has the next one.
constexpr std::uint64_t kStride = 0x9E3779B97F4A7C15;

// Two measurements of one disk differ by a third on a busy machine; a hard disk or a NAS differs from an SSD tenfold.
constexpr double kRateShare = 0.6;
constexpr int kLatencyTimes = 3;
constexpr base::Duration kLatencySlack = std::chrono::microseconds(100);

}  // namespace

base::Result<DiskSpeed> measure_disk(const base::Clock& clock, std::uint64_t size, const SampleRead& read) {
  AC_CHECK(size >= kLeastSample);
  base::Buffer buffer(base::kMiB);
  const base::TimePoint begin = clock.now();
  const std::uint64_t first = size / 2 / base::kMiB * base::kMiB;  // the front may be in somebody's cache
  std::uint64_t bytes = 0;
  for (int piece = 0; piece < kReads && clock.now() - begin < kEnough; ++piece, bytes += buffer.size()) {
    AC_TRY(read(buffer.span(), first + bytes));
  }
  const base::Duration took = std::max<base::Duration>(clock.now() - begin, std::chrono::microseconds(1));
  std::vector<base::Duration> latencies;
  const base::TimePoint pages_begin = clock.now();
  for (std::uint64_t page = 1; page <= kPages && clock.now() - pages_begin < kEnough; ++page) {
    const base::TimePoint asked = clock.now();
    AC_TRY(read(buffer.span().first(kReadBytes), page * kStride % (size / 2 / kReadBytes) * kReadBytes));
    latencies.push_back(clock.now() - asked);
  }
  std::ranges::sort(latencies);
  return DiskSpeed{.bytes_per_second = static_cast<double>(bytes) / std::chrono::duration<double>(took).count(),
                   .page_latency = latencies[latencies.size() / 2]};
}

bool is_as_fast(const DiskSpeed& origin, const DiskSpeed& store) {
  return origin.bytes_per_second >= kRateShare * store.bytes_per_second &&
         origin.page_latency <= kLatencyTimes * store.page_latency + kLatencySlack;
}

}  // namespace arenacache::cache
