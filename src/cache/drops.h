// SPDX-License-Identifier: Apache-2.0
// Drops: objects that are out of service and not yet gone for good: their row, their file or their packed copy is still on the disk.
// Promises: a row goes, durably, before its files; make_durable() lets nothing dropped come back after a power cut.
// Owner: Core. Threads: any. Locks: its own mutex, a leaf, never held across I/O.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/store/ids.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

class Drops {
 public:
  explicit Drops(Core& core) : core_(core) {}

  /// Queues the removal of the row of an object that was just dropped. Never blocks.
  void forget_row(Object& object) AC_REQUIRES(object.mutex);
  /// The same, and then of its files.
  void forget(const std::shared_ptr<Object>& object) AC_REQUIRES(object->mutex);
  /// Removes the files of a dropped object, whose row is gone. Blocks on the disk.
  void remove_files(Object& object);
  /// Removes a packed copy that no row speaks of (any more). Blocks on its disk; an error goes to the log.
  void remove_packed(const std::optional<PackedPlace>& place);
  /// Returns once nothing that was dropped before the call can come back: its row is gone, or, where the index takes nothing
  /// any more, its file (where the disk takes not even that, the log says so). For what must precede a change of the origin.
  /// Blocks on the disk while there is something.
  void make_durable();
  /// Waits until the files that forget() was asked for are unlinked (a clean end leaves none), at most until `deadline`. False: not
  /// all are. What is dropped from now on makes the end no clean one.
  [[nodiscard]] bool await_unlinks(base::TimePoint deadline);

 private:
  using Place = std::optional<PackedPlace>;
  struct Copy {
    Place packed;
    bool is_away = false;
  };
  void note_gone(store::ObjectId id);

  Core& core_;
  base::Mutex mutex_;
  base::CondVar unlinked_;
  /// After a power cut these could be served again; with their packed copies.
  std::map<store::ObjectId, Copy> has_row_ AC_GUARDED_BY(mutex_);
  unsigned unlinks_pending_ AC_GUARDED_BY(mutex_) = 0;
  bool is_over_ AC_GUARDED_BY(mutex_) = false;  ///< nobody waits for unlinks any more
};

}  // namespace arenacache::cache
