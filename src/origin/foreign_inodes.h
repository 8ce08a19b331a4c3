// SPDX-License-Identifier: Apache-2.0
// ForeignInodes: makes inode numbers unique in a source that spans several file systems (a NAS mounted at models/checkpoints,
// btrfs subvolumes): the mirror is one file system, and what the cache keeps is keyed by inode.
// Promises: numbers of the source's own file system stay as they are. Others become a hash of the number and their file
// system's id, the same after a restart; of the path where their numbers cannot be trusted.
// Threads: any. Locks: one mutex, not held across a system call.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "arenacache/base/mutex.h"
#include "arenacache/origin/origin.h"

namespace arenacache::origin {

class ForeignInodes {
 public:
  explicit ForeignInodes(dev_t home) : home_(home) {}

  /// Replaces attributes.st_ino where the file is not of the source's own file system. `fd` is of that file (O_PATH will do).
  void localise(Attributes& attributes, int fd, const std::string& path);
  /// The same for `inode`, of the file system that `directory` (its attributes, as the system gave them) is on.
  [[nodiscard]] std::uint64_t localised(std::uint64_t inode, const Attributes& directory, int fd,
                                        const std::string& path);
  [[nodiscard]] bool is_home(const Attributes& attributes) const { return attributes.st_dev == home_; }

 private:
  struct Device {
    std::uint64_t id = 0;
    bool has_stable_inodes = false;
  };
  Device device(dev_t number, int fd);

  const dev_t home_;
  base::Mutex mutex_;
  std::unordered_map<dev_t, Device> devices_ AC_GUARDED_BY(mutex_);
};

}  // namespace arenacache::origin
