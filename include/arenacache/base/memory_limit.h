// SPDX-License-Identifier: Apache-2.0
// What the control groups (v2) that this process is in leave it of the machine's memory: memory.max and memory.high, its own and those of
// the groups above. In a container, or a service with MemoryMax=, that is less than the machine has.
// Threads: any. Reads a few small files of the kernel's.
#pragma once

#include <cstdint>
#include <string>

namespace arenacache::base {

struct MemoryLimit {
  std::uint64_t most_bytes = UINT64_MAX;  ///< the least of the limits; UINT64_MAX: there is none
  /// What may still be used, of the group with the least left: its limit, less what it uses, but for the page cache that it could
  /// let go of. UINT64_MAX: there is no limit.
  std::uint64_t left_bytes = UINT64_MAX;
};

/// @param self where the kernel tells the group of this process. @param root where the groups are mounted. What cannot be read limits
/// nothing.
[[nodiscard]] MemoryLimit memory_limit(const std::string& self = "/proc/self/cgroup",
                                       const std::string& root = "/sys/fs/cgroup");

}  // namespace arenacache::base
