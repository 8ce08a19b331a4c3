// SPDX-License-Identifier: Apache-2.0
// Evictor: makes room in the raw tier. Space says who goes; here it is done and counted. What has a packed copy goes on as that.
// Promises: reserve() evicts nothing for a request that can never be met. Threads: background jobs; reserve() blocks on the
// disk (an unlink must have happened before its bytes count as free).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

class Evictor {
 public:
  explicit Evictor(Core& core) : core_(core) {}

  /// How long what was dropped, and nobody holds, is counted on to go.
  static constexpr std::chrono::seconds kRoomPatience{10};
  /// After how long to ask again for room that is coming.
  static constexpr std::chrono::milliseconds kRoomLook{20};

  enum class Room : std::uint8_t { ready, coming };
  /// Reserves the whole of `object`, evicting what matters least. `coming`: what was dropped is about to make the room; ask again after
  /// kRoomLook, until kRoomPatience after `since`. ErrorKind::no_space with the reason for people. Blocks on the disk.
  base::Result<Room> reserve(Object& object, base::TimePoint since);
  /// The same, and waits for room that is coming. Blocks: for threads that nobody's dropping needs.
  base::Result<void> reserve_waiting(Object& object);
  /// Reserves `bytes` more for an object that is not admitted; never blocks, false when cache.small is full (room is then
  /// being made).
  bool reserve_small(Object& object, std::uint64_t bytes);
  /// Lowered limits, a disk that others fill, a cache.small over its mark: evicts until all is well. Blocks.
  void relieve();
  /// Drops one object, its packed copy too, and waits until its bytes are free unless it is held. Blocks.
  void evict(const std::shared_ptr<Object>& object);
  /// Takes the raw file of an object that has a packed copy away, durably: it goes on as that copy. False: it has none, or is written,
  /// moved, not trusted or, unless `held_too`, open just now. Blocks.
  bool demote(const std::shared_ptr<Object>& object, bool held_too);
  /// What dropping it frees once nobody holds it: nothing, where another object shares its file.
  [[nodiscard]] static std::uint64_t freed_bytes(const Core& core, const Object& object) AC_REQUIRES(object.mutex);
  /// Asks the disk again what is free.
  void refresh_disk();
  /// What the last refused fill was told; empty after a granted one.
  [[nodiscard]] std::string warning() const;

 private:
  void set_warning(std::string text);
  void give_way(const std::shared_ptr<Object>& victim);
  /// Takes the raw file of an object whose packed copy is away: it goes on as what the index knows of that copy. False: it has none, or
  /// as demote(). Blocks.
  bool leave_away(const std::shared_ptr<Object>& object);

  Core& core_;
  std::atomic<bool> relieving_{false};
  base::Mutex
      reserve_mutex_;  ///< one at a time: two that evict for each other would evict too much. Above all other locks.
  mutable base::Mutex mutex_;
  std::string warning_ AC_GUARDED_BY(mutex_);
};

}  // namespace arenacache::cache
