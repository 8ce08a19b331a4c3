// SPDX-License-Identifier: Apache-2.0
// Dedup: finds resident objects that have the same bytes, as of a model that was copied into two folders, and has them share one file
// of the raw tier, whose room and pages in memory are then needed once. Those of one size and equal checksums are compared byte by byte
// (checksums prove nothing); then one becomes an object with a new id, whose file is a hard link to the other's.
// Promises: an object that is open, written, moved or not trusted stays as it is until it is not; idle priority at disk and processor,
// half of its time at most, next to nothing while programs read. Neither a commit nor an open waits for it.
// Threads: one of its own; the functions from any. Locks: its own, a leaf, never held across I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/hash.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/store/block_map.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/raw_check.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

class Dedup {
 public:
  explicit Dedup(Core& core) : core_(core) {}
  ~Dedup() { stop(); }
  Dedup(const Dedup&) = delete;
  Dedup& operator=(const Dedup&) = delete;

  void start();
  /// Gives up what is under way. Idempotent.
  void stop();
  /// Looks for another object with the same bytes. Never blocks.
  void became_resident(store::ObjectId id);
  /// Time has passed: what was open may not be any more; the first time, what earlier lives left is looked at too. Never blocks.
  void look();
  /// Objects that are to be looked at, without those that wait for their readers.
  [[nodiscard]] std::uint64_t due() const;

 private:
  using ObjectPtr = std::shared_ptr<Object>;
  using Pair = std::pair<store::ObjectId, store::ObjectId>;
  /// What is known of a resident object, which may be gone.
  struct Peer {
    store::ObjectId id{};
    std::optional<base::Hash128> fingerprint;  ///< of its block map, once it was asked for
  };
  /// What became of an attempt.
  enum class Outcome : std::uint8_t { shared, differ, later, failed };
  /// One of two objects that are compared.
  struct Side;

  void run();
  void look_at_all();
  void look_at(store::ObjectId id);
  /// Others of its size with the same checksums.
  std::vector<store::ObjectId> find_alike(const Object& object);
  std::optional<base::Hash128> fingerprint(Peer& peer);
  Outcome try_share(const ObjectPtr& object, const ObjectPtr& other);
  /// Are all bytes of both the same, and as their checksums say? cancelled: one went, or the engine stops.
  base::Result<bool> compare(const ObjectPtr& one, const ObjectPtr& other);
  base::Result<Side> open_side(const ObjectPtr& object);
  base::Result<void> check(Side& side, store::BlockIndex block);
  Outcome replace(const ObjectPtr& object, const ObjectPtr& kept);
  base::Result<void> make_link(const ObjectPtr& object, const ObjectPtr& kept, const ObjectPtr& fresh);
  /// Gives way to programs. False: it is over.
  bool go_on(base::Duration took);

  Core& core_;
  mutable base::Mutex mutex_;
  base::CondVar wake_;
  bool stopped_ AC_GUARDED_BY(mutex_) = false;
  bool has_looked_ AC_GUARDED_BY(mutex_) = false;
  bool all_due_ AC_GUARDED_BY(mutex_) = false;
  bool is_busy_ AC_GUARDED_BY(mutex_) = false;
  std::deque<store::ObjectId> due_ AC_GUARDED_BY(mutex_);
  std::set<store::ObjectId> waiting_ AC_GUARDED_BY(mutex_);  ///< held just now
  // Of the thread alone.
  std::map<std::uint64_t, std::vector<Peer>> by_size_;
  std::set<Pair> equal_;  ///< were compared, and not shared yet
  std::uint64_t activity_ = 0;
  bool can_link_ = true;  ///< false: the store's file system has no hard links
  std::thread thread_;
};

}  // namespace arenacache::cache
