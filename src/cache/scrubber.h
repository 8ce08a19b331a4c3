// SPDX-License-Identifier: Apache-2.0
// Scrubber: reads all that is stored again and compares it with its checksums: when asked, every scrub.interval, and soon after
// the store was caught at something. What is damaged is dropped, and copied again where it was whole: a file that the kernel
// may have mapped is never written. Files that no object has are collected on the way.
// Promises: idle priority at the disk; half of its time at most when nobody asked for it, next to nothing while programs read;
// one that the end of the daemon interrupts goes on in the next life. A pass over everything makes the store trusted again.
// Threads: one of its own; the functions from any. Locks: its own, a leaf, never held across I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/cache/types.h"
#include "arenacache/store/block_map.h"
#include "arenacache/store/raw_check.h"
#include "object.h"
#include "scrub_plan.h"

namespace arenacache::cache {

struct Core;

class Scrubber {
 public:
  explicit Scrubber(Core& core) : core_(core) {}
  ~Scrubber() { stop(); }
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

  /// Starts its thread, with what the index kept of earlier lives.
  void start();
  /// Ends a pass that runs; the next life goes on with it. Idempotent.
  void stop();
  void set_interval(base::Duration interval);
  /// The owner wants everything read again: begins a pass, or joins one that was asked for and runs.
  ScrubState ask();
  [[nodiscard]] ScrubState state() const;
  /// The store is not trusted any more: scrub it soon.
  void trust_lost();

 private:
  struct Pass;
  struct Findings;
  /// What became of one object, or of the pass.
  enum class Outcome : std::uint8_t { done, unreadable, interrupted };

  void run();
  void renew_state_locked(std::uint64_t pass) AC_REQUIRES(mutex_);
  [[nodiscard]] base::Duration pause_locked(base::TimePoint now) const AC_REQUIRES(mutex_);
  void run_pass(bool is_asked);
  Pass begin_pass(bool is_asked);
  Outcome check_all(Pass& pass);
  Outcome check_object(Pass& pass, const std::shared_ptr<Object>& object);
  Outcome check_raw(Pass& pass, const std::shared_ptr<Object>& object);
  Outcome check_copy(Pass& pass, const std::shared_ptr<Object>& object);
  void damaged_copy(Pass& pass, const std::shared_ptr<Object>& object, const base::Error& error);
  void tell_damage(const FileRef& file, std::uint64_t blocks, const base::Error& error);
  static Outcome skipped(Pass& pass);
  base::Result<store::BlockMap> map_of(Object& object);
  Outcome check_blocks(Pass& pass, const std::shared_ptr<Object>& object, const store::BlockMap& map);
  void found_right(Object& object, const store::BlockMap& map);
  Outcome read_blocks(Pass& pass, Object& object, const store::BlockMap& map, store::RawCheck& check, Findings& found);
  void damaged(Pass& pass, const std::shared_ptr<Object>& object, std::uint64_t blocks, const base::Error& error);
  void verified(Object& object, store::BlockIndex block, std::uint64_t bytes);
  void collect_orphans();
  void end_pass(Pass& pass, Outcome outcome);
  /// Gives way to programs. False: the pass is over.
  bool go_on(Pass& pass, base::Duration took);

  Core& core_;
  mutable base::Mutex mutex_;
  base::CondVar wake_;
  bool stopped_ AC_GUARDED_BY(mutex_) = false;
  bool asked_ AC_GUARDED_BY(mutex_) = false;  ///< a pass is to begin
  bool runs_asked_ AC_GUARDED_BY(mutex_) = false;  ///< the pass that runs was asked for
  ScrubPlan plan_ AC_GUARDED_BY(mutex_);
  std::uint64_t resume_at_ AC_GUARDED_BY(mutex_) =
      0;  ///< the object that an interrupted pass would check next; 0: none
  base::TimePoint started_ AC_GUARDED_BY(mutex_){};
  base::TimePoint not_before_ AC_GUARDED_BY(mutex_){};  ///< after a pass that failed
  ScrubState state_ AC_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace arenacache::cache
