// SPDX-License-Identifier: Apache-2.0
// Copier: completes objects in the background. It follows the readers (goes on from where the last one missed), then fills
// the holes, so that a load by random page faults becomes one sequential stream.
// Promises: at most fill.threads objects at once, fill.parallel origin reads each; yields to demand (one read at a time while
// somebody waits for this origin) and to fill.bandwidth_limit; an object's whole size is reserved before its first byte. While
// an origin does not answer its objects wait in the queue, those under way too.
// Threads: background jobs and completions; nothing of it waits. Locks: Copier's own and a FillJob's, above Object's.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "object.h"

namespace arenacache::cache {

struct Core;
struct FillJob;

/// Of one moment.
struct FillCounts {
  std::uint64_t active = 0;
  std::uint64_t queued = 0;
};

class Copier {
 public:
  /// Blocks one origin read of a background fill asks for.
  static constexpr store::BlockIndex kRunBlocks = 4;

  explicit Copier(Core& core) : core_(core) {}

  /// Readers load this object: fill it if the options let it.
  void admit(const std::shared_ptr<Object>& object);
  /// The owner asks for this object, or an interrupted fill goes on. True: it is complete, under way, or queued now.
  bool ask(const std::shared_ptr<Object>& object);
  void set_threads(unsigned threads);
  /// An origin answers again.
  void go_on() { start_next(); }

  [[nodiscard]] FillCounts fills() const;

 private:
  void enqueue(const std::shared_ptr<Object>& object);
  void start_next();
  /// The first object of the queue whose origin answers; null: none.
  std::shared_ptr<Object> take_locked() AC_REQUIRES(mutex_);
  void begin(const std::shared_ptr<FillJob>& job);
  /// With its room reserved: steps, or, where that room is still coming, looks again later.
  void take_room(const std::shared_ptr<FillJob>& job);
  base::Result<void> allocate(const std::shared_ptr<Object>& object);
  void fail(const std::shared_ptr<FillJob>& job, base::Error why);
  void step(const std::shared_ptr<FillJob>& job);
  enum class Next : std::uint8_t { send, wait, nothing };
  /// The next blocks to fetch, entered in the object's table: send(), without the job's lock.
  Next pick(const std::shared_ptr<FillJob>& job, std::shared_ptr<Flight>& flight);
  [[nodiscard]] bool must_yield(const FillJob& job, unsigned outstanding) const;
  [[nodiscard]] base::Duration pace(const Source& source, std::uint64_t bytes);
  void run_settled(const std::shared_ptr<FillJob>& job, const Flight& flight);
  void end(const std::shared_ptr<FillJob>& job);
  /// Puts an object whose origin went away back to the head of the queue; where reads failed, a few times. False: give it up.
  bool put_off(const std::shared_ptr<Object>& object, bool has_failed);

  Core& core_;
  mutable base::Mutex mutex_;
  std::deque<std::shared_ptr<Object>> queue_ AC_GUARDED_BY(mutex_);
  unsigned active_ AC_GUARDED_BY(mutex_) = 0;
  unsigned threads_ AC_GUARDED_BY(mutex_) = 1;
  std::map<SourceId, base::TimePoint> next_send_ AC_GUARDED_BY(mutex_);  ///< per source, under fill.bandwidth_limit
};

}  // namespace arenacache::cache
