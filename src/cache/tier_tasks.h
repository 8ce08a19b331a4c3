// SPDX-License-Identifier: Apache-2.0
// TierTasks: what the owner asked of objects and packed tiers, and how far it is. By path, as the object becomes another one on the way.
// Promises: the last fifty thousand are remembered; what is asked of an object that is being copied, or has not settled, is done then. Threads: any; the work is done on the Packer's and the Inflater's. Locks: one, a leaf.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/cache/types.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

class TierTasks {
 public:
  explicit TierTasks(Core& core) : core_(core) {}

  /// As Engine::start_tier_task().
  bool start(SourceId source, const std::string& path, TierTask task, const std::string& tier);
  [[nodiscard]] TierProgress progress(SourceId source, const std::string& path) const;
  /// Goes on with what waited for its object to be whole and settled, and has it now, or never will. Never blocks.
  void look();

 private:
  using Place = std::pair<SourceId, std::string>;
  /// One task, from when it was asked for.
  struct Task {
    std::atomic<std::uint64_t> done_bytes{0};
    base::Mutex mutex;
    TierProgress state AC_GUARDED_BY(mutex);
  };
  using TaskPtr = std::shared_ptr<Task>;

  /// What begins once its object is resident.
  struct Waiting {
    std::shared_ptr<Object> object;
    std::shared_ptr<Tier> to;  ///< null: the raw tier
    TaskPtr task;
  };

  TaskPtr remember(const Place& place, std::uint64_t size);
  /// Where it is to go; null: the raw tier. An error: a sentence.
  base::Result<std::shared_ptr<Tier>> target(TierTask task, const std::string& tier) const;
  void begin(const Waiting& asked);
  /// Will it be resident without more being asked? Else `why` says what it lacks.
  static bool is_on_its_way(Object& object, std::string& why);
  void start_packing(const std::shared_ptr<Object>& object, const std::shared_ptr<Tier>& to, const TaskPtr& task);
  void start_unpacking(const std::shared_ptr<Object>& object, const TaskPtr& task);
  base::Result<void> pack(const std::shared_ptr<Object>& object, const std::shared_ptr<Tier>& to, const TaskPtr& task);
  /// The object that stands for the file of a dropped one, at the same version; null: none.
  std::shared_ptr<Object> successor_of(Object& object);
  static void end(const TaskPtr& task, const base::Result<void>& result);
  static void set_state(const TaskPtr& task, PrefetchState state, std::string reason);

  Core& core_;
  mutable base::Mutex mutex_;
  std::map<Place, TaskPtr> tasks_ AC_GUARDED_BY(mutex_);
  std::deque<Place> order_ AC_GUARDED_BY(mutex_);  ///< of tasks_, the oldest first
  std::deque<Waiting> waiting_ AC_GUARDED_BY(mutex_);
};

}  // namespace arenacache::cache
