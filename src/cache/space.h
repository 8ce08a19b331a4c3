// SPDX-License-Identifier: Apache-2.0
// Space: who may take how much of the store, and who goes when it is full.
// Promises: the sum of reservations, the index included, never exceeds the capacity, and the disk keeps keep_free: space is
// made and reserved before it is used. A reservation that cannot be met evicts nothing. Held (open) and pinned keys stay.
// Two orders: objects with a whole reservation, and small ones (not admitted: headers, previews) within cache.small.
// Objects that share one file (share()) have one room, which counts once, is used and held as one, and is free when the last of them
// is gone: they are victims one after the other.
// Threads: any. Locks: one mutex, a leaf: nothing is called under it. Never: unlinks; Catalog drops what victims name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/policy/eviction_policy.h"
#include "arenacache/store/ids.h"

namespace arenacache::cache {

class Space;

/// Bytes of the store set aside for one object; given back when it ends (after the object's file is gone).
class Reservation {
 public:
  Reservation(std::shared_ptr<Space> space, store::ObjectId id) : space_(std::move(space)), id_(id) {}
  ~Reservation();
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

 private:
  std::shared_ptr<Space> space_;
  store::ObjectId id_;
};

struct SpaceLimits {
  std::uint64_t capacity_bytes = 0;
  std::uint64_t small_bytes = 0;
  std::uint64_t keep_free_bytes = 0;
};

struct SpaceNumbers {
  SpaceLimits limits;
  std::uint64_t reserved_bytes = 0, small_bytes = 0, held_bytes = 0, doomed_bytes = 0;
};

/// What reserve() found: granted, or who has to go first, or that what was dropped is about to be enough, or why it never will be.
struct ReserveAnswer {
  enum class Kind : std::uint8_t { granted, evict, coming, refused };
  Kind kind = Kind::refused;
  store::ObjectId victim{};  ///< evict: drop this one, then ask again
  std::string reason;  ///< refused: for people
};

class Space : public std::enable_shared_from_this<Space> {
 public:
  Space(std::unique_ptr<policy::EvictionPolicy> main, std::unique_ptr<policy::EvictionPolicy> small);

  void set_limits(SpaceLimits limits);
  /// What the disk has free right now, and what the index takes; asked by whoever reserves, before it does.
  void set_disk(std::uint64_t free_bytes, std::uint64_t index_bytes, std::uint64_t allocated_bytes);

  /// Makes an entry with nothing reserved.
  std::unique_ptr<Reservation> enter(store::ObjectId id);
  /// Raises the object's reservation to `whole_bytes` and moves it to the main order. While what was dropped, and nobody holds, goes,
  /// nobody else is a victim for it: `coming`, ask again in a moment. Not `patient`: it may stay for long, and is not counted on.
  ReserveAnswer reserve(store::ObjectId id, std::uint64_t whole_bytes, bool patient);
  /// Takes `bytes` more for an object that is not admitted. Never names a victim of the main order: false when full.
  bool reserve_small(store::ObjectId id, std::uint64_t bytes);
  /// Accounts an object found at start, whatever the limits say.
  void adopt(store::ObjectId id, std::uint64_t bytes, bool small);
  /// `id`, of `size` bytes, has the file of `with`: what was reserved for its bytes is given back, or, of one that was just entered, need
  /// not be. False: `with` is not there any more, or dropped with all that share its file, and nothing changed.
  bool share(store::ObjectId id, store::ObjectId with, std::uint64_t size);
  /// The object was dropped: no victim any more; its bytes count as doomed until its reservation ends, or, where others share its file,
  /// as held.
  void doom(store::ObjectId id);

  void use(store::ObjectId id);
  void hold(store::ObjectId id);
  void release(store::ObjectId id);

  /// Someone to drop because limits were lowered or the disk is short of free space; nothing when all is well.
  [[nodiscard]] std::optional<store::ObjectId> overflow_victim() const;
  /// Those of the main order that would go next, the first one first, until they are of `bytes` together.
  [[nodiscard]] std::vector<store::ObjectId> next_victims(std::uint64_t bytes) const;
  /// Someone small to drop while cache.small is more than nine tenths full.
  [[nodiscard]] std::optional<store::ObjectId> small_victim() const;
  [[nodiscard]] SpaceNumbers numbers() const;
  void check_invariants() const;

 private:
  friend class Reservation;
  /// What one file takes, with all that it is for. Its key is nobody's: the objects of a room come and go.
  struct Room {
    std::uint64_t bytes = 0;  ///< of the file, and of each object besides
    std::vector<store::ObjectId> objects;  ///< doomed ones too; in the order in which they are victims
    std::size_t doomed = 0;  ///< of those
    unsigned holds =
        0;  ///< those of dropped objects too: while their readers are there nothing is free, whoever else goes
    bool small = true;
    [[nodiscard]] bool is_doomed() const { return doomed == objects.size(); }
  };
  struct Entry {
    policy::Key room{};
    std::uint64_t own_bytes = 0;  ///< of the room's, that go with this object
    unsigned holds = 0;
    bool doomed = false;
  };
  using Entries = std::unordered_map<store::ObjectId, Entry>;

  void leave(store::ObjectId id);
  void leave_room(Entries::iterator it) AC_REQUIRES(mutex_);
  [[nodiscard]] policy::EvictionPolicy& order_of(const Room& room) const { return room.small ? *small_ : *main_; }
  void count(const Room& room, bool add) AC_REQUIRES(mutex_);
  void move_room(policy::Key key, bool small) AC_REQUIRES(mutex_);
  /// The first in `order` that has bytes.
  [[nodiscard]] std::optional<store::ObjectId> victim_of(const policy::EvictionPolicy& order) const AC_REQUIRES(mutex_);
  [[nodiscard]] std::optional<store::ObjectId> victim_beside(policy::Key room) const AC_REQUIRES(mutex_);
  /// With `coming` bytes free that are not yet.
  [[nodiscard]] bool fits(std::uint64_t bytes, std::uint64_t coming = 0) const AC_REQUIRES(mutex_);
  [[nodiscard]] std::uint64_t index_room() const AC_REQUIRES(mutex_);
  [[nodiscard]] std::uint64_t evictable_bytes() const AC_REQUIRES(mutex_);
  [[nodiscard]] std::string refusal(std::uint64_t bytes) const AC_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  const std::unique_ptr<policy::EvictionPolicy> main_;
  const std::unique_ptr<policy::EvictionPolicy> small_;
  Entries entries_ AC_GUARDED_BY(mutex_);
  std::unordered_map<policy::Key, Room> rooms_ AC_GUARDED_BY(mutex_);
  SpaceLimits limits_ AC_GUARDED_BY(mutex_);
  std::uint64_t next_room_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t disk_free_ AC_GUARDED_BY(mutex_) = UINT64_MAX;
  std::uint64_t index_bytes_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t allocated_bytes_ AC_GUARDED_BY(mutex_) = 0;
  // Sums over rooms_.
  std::uint64_t reserved_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t small_reserved_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t held_ AC_GUARDED_BY(mutex_) = 0;  ///< not doomed, and held
  std::uint64_t doomed_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t coming_ AC_GUARDED_BY(mutex_) = 0;  ///< doomed, and held by nobody
};

/// While it lives nobody evicts the object, and nobody waits for its room.
class SpaceHold {
 public:
  SpaceHold(std::shared_ptr<Space> space, store::ObjectId id) : space_(std::move(space)), id_(id) { space_->hold(id_); }
  ~SpaceHold() { space_->release(id_); }
  SpaceHold(const SpaceHold&) = delete;
  SpaceHold& operator=(const SpaceHold&) = delete;

 private:
  const std::shared_ptr<Space> space_;
  const store::ObjectId id_;
};

/// What an object of `size` bytes takes at most: data in whole pages, its sidecar, its inode's share.
[[nodiscard]] std::uint64_t footprint(std::uint64_t size);

}  // namespace arenacache::cache
