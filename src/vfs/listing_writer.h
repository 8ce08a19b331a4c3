// SPDX-License-Identifier: Apache-2.0
// ListingWriter: puts what changed in a DirectoryCache on its shelf, a while after it changed, and all of it at the end.
// Promises: a folder that changes again and again is written once in a while, and only if it differs.
// Owner: Filesystem. Threads: one of its own. Locks: one mutex, not held while writing.
#pragma once

#include <thread>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/vfs/directory_cache.h"

namespace arenacache::vfs {

class ListingWriter {
 public:
  ListingWriter(DirectoryCache& cache, base::Clock& clock);
  ~ListingWriter();
  ListingWriter(const ListingWriter&) = delete;
  ListingWriter& operator=(const ListingWriter&) = delete;

  /// Something changed.
  void note_change();
  /// A folder was listed: the next worker is to have that soon, as it may have to do without the source.
  void note_listing();
  /// Writes all, ages included, and ends. Idempotent.
  void stop();

 private:
  void run();

  DirectoryCache& cache_;
  base::Clock& clock_;
  base::Mutex mutex_;
  base::CondVar wake_;
  bool has_changes_ AC_GUARDED_BY(mutex_) = false;
  bool has_listing_ AC_GUARDED_BY(mutex_) = false;
  bool is_stopped_ AC_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace arenacache::vfs
