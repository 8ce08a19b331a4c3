// SPDX-License-Identifier: Apache-2.0
// DiskSpeed: how fast a disk is, by a few reads of one file: in order, and of single pages here and there.
// Promises: ends after about two seconds, however slow the disk; asks for 16 MiB and 16 pages at most. Threads: any. Locks: none.
// Never: knows whose disk it is; the caller sees to it that the reads come from the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "arenacache/base/clock.h"
#include "arenacache/base/result.h"

namespace arenacache::cache {

struct DiskSpeed {
  double bytes_per_second = 0;  ///< in order, 1 MiB at a time
  base::Duration page_latency{};  ///< of 4 KiB anywhere, the median
};

/// A smaller file says nothing of its disk.
inline constexpr std::uint64_t kLeastSample = std::uint64_t{32} << 20U;

/// Fills `out` from `offset` of the sample, past the page cache; both are whole pages.
using SampleRead = std::function<base::Result<void>(std::span<std::byte> out, std::uint64_t offset)>;

/// Measures by reading a sample of `size` (kLeastSample or more) bytes.
base::Result<DiskSpeed> measure_disk(const base::Clock& clock, std::uint64_t size, const SampleRead& read);

/// Would copying from `origin` to `store` gain nothing?
[[nodiscard]] bool is_as_fast(const DiskSpeed& origin, const DiskSpeed& store);

}  // namespace arenacache::cache
