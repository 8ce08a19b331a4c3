// SPDX-License-Identifier: Apache-2.0
// DirectorySnapshot: one listing of a folder, in an order that a reader can go on in over any other listing of it.
// Promises: entries come by cookie, a 63-bit hash of the name, so that a name keeps its place while others come and go and
// readdir can go on at a cookie after a restart. Names of one hash are told apart by probing, in the order of the names.
// Threads: immutable once made. Never: holds "." and ".." under any cookies but 1 and 2.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arenacache/origin/origin.h"

namespace arenacache::vfs {

/// Where in a folder a reader is: after the entry with this cookie. 0: at the start.
enum class Cookie : std::uint64_t {};

struct SnapshotEntry {
  Cookie cookie{};
  std::uint64_t inode = 0;
  unsigned char type = 0;  ///< DT_*
  std::string name;
};

class DirectorySnapshot {
 public:
  /// `self` and `parent`: inode numbers for "." and "..".
  DirectorySnapshot(std::vector<origin::DirectoryEntry> entries, std::uint64_t self, std::uint64_t parent);
  /// The entries that follow `cookie`, whether or not there is one with that cookie.
  [[nodiscard]] std::span<const SnapshotEntry> after(Cookie cookie) const;

 private:
  std::vector<SnapshotEntry> entries_;
};

}  // namespace arenacache::vfs
