// SPDX-License-Identifier: Apache-2.0
// LoopDisk: a file system of its own for a test's store, on a loop device over a sparse file.
// Promises: unmounted and detached when it ends, also while something on it is open. Threads: one owner. Needs root.
#pragma once

#include <cstdint>
#include <string>

#include "support/temp_dir.h"

namespace arenacache::test {

class LoopDisk {
 public:
  /// `kind`: ext4, xfs or btrfs.
  LoopDisk(const std::string& kind, std::uint64_t size);
  ~LoopDisk();
  LoopDisk(const LoopDisk&) = delete;
  LoopDisk& operator=(const LoopDisk&) = delete;

  /// Empty: it is mounted; else why it cannot be had on this machine.
  [[nodiscard]] const std::string& missing() const { return missing_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Takes all of its free space, with a file of that name; removing it gives the space back.
  void fill(const std::string& name) const;
  /// As after a fault of the disk: nobody may write any more (ext4).
  void make_read_only() const;
  /// As a disk that was pulled out: every read and write that the page cache does not answer fails (ext4).
  void take_away() const;

 private:
  TempDir dir_;
  std::string path_;
  std::string missing_;
  bool is_mounted_ = false;
};

}  // namespace arenacache::test
