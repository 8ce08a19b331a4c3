// SPDX-License-Identifier: Apache-2.0
// KnownSpace: what statfs(2) said of the source, believed until something is changed through the mount.
// Owner: Filesystem. Threads: any. Locks: one mutex, a leaf. Never: asks.
#pragma once

#include <sys/statvfs.h>

#include <cstdint>
#include <optional>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"

namespace arenacache::vfs {

class KnownSpace {
 public:
  /// How many changes there were; to be handed in with the answer to what is asked now.
  [[nodiscard]] std::uint64_t changes() const {
    base::MutexLock lock(mutex_);
    return changes_;
  }
  void changed() {
    base::MutexLock lock(mutex_);
    ++changes_;
    validated_ = base::TimePoint::min();
  }
  void set(const struct ::statvfs& space, base::TimePoint validated, std::uint64_t asked) {
    base::MutexLock lock(mutex_);
    space_ = space;
    validated_ = asked == changes_ ? validated : base::TimePoint::min();
  }
  /// What was said after `since`; min: ever.
  [[nodiscard]] std::optional<struct ::statvfs> get(base::TimePoint since) const {
    base::MutexLock lock(mutex_);
    return since == base::TimePoint::min() || validated_ > since ? space_ : std::nullopt;
  }

 private:
  mutable base::Mutex mutex_;
  std::optional<struct ::statvfs> space_ AC_GUARDED_BY(mutex_);
  base::TimePoint validated_ AC_GUARDED_BY(mutex_) = base::TimePoint::min();
  std::uint64_t changes_ AC_GUARDED_BY(mutex_) = 0;
};

}  // namespace arenacache::vfs
