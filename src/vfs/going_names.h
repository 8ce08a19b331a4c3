// SPDX-License-Identifier: Apache-2.0
// GoingNames: names that an operation is about to take away, or took away, and the node table has not heard of it. What is open by
// one of them a later worker might find nowhere: the operation gives it to the keeper before it begins, and who opens it from then
// on does so before the answer.
// Threads: any. Locks: one mutex, a leaf.
#pragma once

#include <atomic>
#include <cstddef>
#include <list>
#include <string>
#include <utility>

#include "arenacache/base/mutex.h"

namespace arenacache::vfs {

class GoingNames {
 public:
  /// Ends when the node table knows.
  class Hold {
   public:
    Hold(GoingNames& names, std::string path) : names_(names) {
      const base::MutexLock lock(names_.mutex_);
      place_ = names_.paths_.insert(names_.paths_.end(), std::move(path));
      ++names_.count_;
    }
    ~Hold() {
      const base::MutexLock lock(names_.mutex_);
      names_.paths_.erase(place_);
      --names_.count_;
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    GoingNames& names_;
    std::list<std::string>::iterator place_;
  };

  [[nodiscard]] bool is_empty() const { return count_.load() == 0; }
  /// Whether `path`, or a folder above it, is going.
  [[nodiscard]] bool has(const std::string& path) const {
    const base::MutexLock lock(mutex_);
    for (const std::string& going : paths_) {
      if (path.starts_with(going) && (path.size() == going.size() || path[going.size()] == '/')) return true;
    }
    return false;
  }

 private:
  mutable base::Mutex mutex_;
  std::list<std::string> paths_ AC_GUARDED_BY(mutex_);
  std::atomic<std::size_t> count_{0};
};

}  // namespace arenacache::vfs
