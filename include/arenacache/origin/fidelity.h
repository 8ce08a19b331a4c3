// SPDX-License-Identifier: Apache-2.0
// Fidelity: which fields of an origin's attributes can be trusted to tell that a file is the same and its data unchanged.
// Source: docs/architecture.md, "Identity and version"; the list of file systems is in fidelity.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace arenacache::origin {

struct Fidelity {
  std::string file_system;  ///< "ext4", "nfs", "fuse.sshfs"; for people
  std::uint64_t file_system_id = 0;  ///< tells file systems apart across restarts, where inodes are stable (else 0)
  bool stable_inodes = false;  ///< an inode number names one file for as long as it lives, over remounts too
  bool has_ctime = false;  ///< ctime moves with every change of data or attributes
  bool is_network = false;  ///< answers come over a line: calls may hang or lose the connection
  bool is_local_disk = false;  ///< a file system of this machine's kernel on a block device
  std::chrono::nanoseconds time_granularity{0};  ///< two changes closer than this may carry one mtime
};

/// What tells that a file's data changed.
struct Version {
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;  ///< not part of "same data": a difference here alone asks for a check
  std::uint64_t inode = 0;  ///< likewise

  [[nodiscard]] bool same_data(const Version& other) const { return size == other.size && mtime_ns == other.mtime_ns; }
  friend bool operator==(const Version&, const Version&) = default;
};

}  // namespace arenacache::origin
