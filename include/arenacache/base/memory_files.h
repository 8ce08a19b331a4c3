// SPDX-License-Identifier: Apache-2.0
// MemoryFiles: files that lie in memory and have no name. Where this process may mount, they lie in a tmpfs of its own that nobody else
// sees and that gives huge pages: filling one then takes a fifth of the time (docs/performance.md, "Packed tiers"), and so do page
// faults of who maps it. Else they are memfds, which have huge pages only where the machine was set so.
// Threads: any. Owner: the tmpfs, which goes with the last of its files and this. Never: leaves anything on a disk.
#pragma once

#include <cstdint>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::base {

class MemoryFiles {
 public:
  /// Files without huge pages.
  MemoryFiles() = default;
  /// Files with huge pages, if this process may mount (CAP_SYS_ADMIN) and the kernel has them; else as MemoryFiles().
  static MemoryFiles with_huge_pages();

  /// A file of `size` bytes, all zero, open for reading and writing. ErrorKind::store: there is no memory, or no descriptor left.
  [[nodiscard]] Result<UniqueFd> create(std::uint64_t size) const;
  /// The root of the tmpfs, for who confines this process to some folders; -1: there is none.
  [[nodiscard]] int folder() const { return folder_.get(); }

 private:
  explicit MemoryFiles(UniqueFd folder) : folder_(std::move(folder)) {}

  UniqueFd folder_;
};

}  // namespace arenacache::base
