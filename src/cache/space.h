// SPDX-License-Identifier: Apache-2.0
// Space: who may take how much of the store, and who goes when it is full.
// Promises: the sum of reservations, the index included, never exceeds the capacity, and the disk keeps keep_free: space is
// made and reserved before it is used. A reservation that cannot be met evicts nothing. Held (open) and pinned keys stay.
// Two orders: objects with a whole reservation, and small ones (not admitted: headers, previews) within cache.small.
// Threads: any. Locks: one mutex, a leaf: nothing is called under it. Never: unlinks; Catalog drops what victims name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
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

/// What reserve() found: granted, or who has to go first, or why it never will be.
struct ReserveAnswer {
  enum class Kind : std::uint8_t { granted, evict, refused };
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
  /// Raises the object's reservation to `whole_bytes` and moves it to the main order.
  ReserveAnswer reserve(store::ObjectId id, std::uint64_t whole_bytes);
  /// Takes `bytes` more for an object that is not admitted. Never names a victim of the main order: false when full.
  bool reserve_small(store::ObjectId id, std::uint64_t bytes);
  /// Accounts an object found at start, whatever the limits say.
  void adopt(store::ObjectId id, std::uint64_t bytes, bool small);
  /// The object was dropped: no victim any more; its bytes count as doomed until its reservation ends.
  void doom(store::ObjectId id);

  void use(store::ObjectId id);
  void hold(store::ObjectId id);
  void release(store::ObjectId id);

  /// Someone to drop because limits were lowered or the disk is short of free space; nothing when all is well.
  [[nodiscard]] std::optional<store::ObjectId> overflow_victim() const;
  /// Someone small to drop while cache.small is more than nine tenths full.
  [[nodiscard]] std::optional<store::ObjectId> small_victim() const;
  [[nodiscard]] SpaceNumbers numbers() const;
  void check_invariants() const;

 private:
  friend class Reservation;
  struct Entry {
    std::uint64_t bytes = 0;
    unsigned holds = 0;
    bool small = true;
    bool doomed = false;
  };

  void leave(store::ObjectId id);
  [[nodiscard]] policy::EvictionPolicy& order_of(const Entry& entry) const { return entry.small ? *small_ : *main_; }
  void count(const Entry& entry, bool add) AC_REQUIRES(mutex_);
  [[nodiscard]] bool fits(std::uint64_t bytes) const AC_REQUIRES(mutex_);
  [[nodiscard]] std::uint64_t evictable_bytes() const AC_REQUIRES(mutex_);
  [[nodiscard]] std::string refusal(std::uint64_t bytes) const AC_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  const std::unique_ptr<policy::EvictionPolicy> main_;
  const std::unique_ptr<policy::EvictionPolicy> small_;
  std::unordered_map<store::ObjectId, Entry> entries_ AC_GUARDED_BY(mutex_);
  SpaceLimits limits_ AC_GUARDED_BY(mutex_);
  std::uint64_t disk_free_ AC_GUARDED_BY(mutex_) = UINT64_MAX;
  std::uint64_t index_bytes_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t allocated_bytes_ AC_GUARDED_BY(mutex_) = 0;
  // Sums over entries_.
  std::uint64_t reserved_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t small_reserved_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t held_ AC_GUARDED_BY(mutex_) = 0;  ///< not doomed, at least one hold
  std::uint64_t doomed_ AC_GUARDED_BY(mutex_) = 0;
};

/// What an object of `size` bytes takes at most: data in whole pages, its sidecar, its inode's share.
[[nodiscard]] std::uint64_t footprint(std::uint64_t size);

}  // namespace arenacache::cache
