// SPDX-License-Identifier: Apache-2.0
// PageCache: what the kernel's page cache has of a file, and asking it for more.
// Threads: any. Real: KernelPageCache (Linux 6.5 or later knows what is cached). Fake: FakePageCache (tests/support).
#pragma once

#include <cstdint>

#include "arenacache/base/extent.h"
#include "arenacache/base/result.h"

namespace arenacache::base {

class PageCache {
 public:
  virtual ~PageCache() = default;
  /// How many bytes of `extent` are in memory, in whole pages. Takes time by what is cached, not by the extent's length.
  /// ENOSYS: the kernel cannot tell.
  virtual Result<std::uint64_t> cached_bytes(int fd, Extent extent) = 0;
  /// Has `extent` read into memory, in pages as large as the file system has. Returns once all but its last MiBs are there, and
  /// those are on their way.
  virtual void read_ahead(int fd, Extent extent) = 0;
  /// What this process may use without the machine swapping: free memory, and what of the page cache can be let go of, within what
  /// its control groups leave it.
  [[nodiscard]] virtual std::uint64_t available_bytes() = 0;
};

class KernelPageCache final : public PageCache {
 public:
  Result<std::uint64_t> cached_bytes(int fd, Extent extent) override;
  void read_ahead(int fd, Extent extent) override;
  [[nodiscard]] std::uint64_t available_bytes() override;
};

/// The machine's memory in bytes, or what this process may have of it at most, where that is less.
[[nodiscard]] std::uint64_t memory_bytes();

}  // namespace arenacache::base
