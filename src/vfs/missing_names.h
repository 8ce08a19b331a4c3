// SPDX-License-Identifier: Apache-2.0
// MissingNames: which names the kernel was told are not there, so that it can be told to ask again.
// Promises: bounded; a name for which there is no room is not to be believed missing for long.
// Owner: Filesystem. Threads: any. Locks: one mutex, a leaf. Never: says whether a name is missing.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

class MissingNames {
 public:
  /// The kernel will believe until `until` that `name` is missing. False: no room.
  [[nodiscard]] bool add(Name name, base::TimePoint now, base::TimePoint until) {
    base::MutexLock lock(mutex_);
    if (now >= last_until_) names_.clear();
    if (names_.size() >= kMost) return false;
    names_.push_back({.parent = name.parent, .name = std::string(name.name)});
    last_until_ = std::max(last_until_, until);
    return true;
  }
  [[nodiscard]] std::vector<OwnedName> take_all() {
    base::MutexLock lock(mutex_);
    return std::exchange(names_, {});
  }

 private:
  static constexpr std::size_t kMost = 16'384;
  base::Mutex mutex_;
  std::vector<OwnedName> names_ AC_GUARDED_BY(mutex_);
  base::TimePoint last_until_ AC_GUARDED_BY(mutex_) = base::TimePoint::min();  ///< nothing is believed for longer
};

}  // namespace arenacache::vfs
