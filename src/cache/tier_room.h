// SPDX-License-Identifier: Apache-2.0
// TierRoom: makes room in packed tiers. First the copies of objects that are in the raw tier too go, but for those that were packed
// ahead of need (Packer); then, by last use, objects that are packed alone move to the next tier, or are dropped after the last.
// Promises: what is open or pinned stays; nothing is removed before the index says so, durably.
// Threads: background ones; blocks on disks for as long as copying an object takes. Locks: each Tier's room_mutex, in their order,
// above all but the Evictor's; Objects', never across I/O.
#pragma once

#include <cstdint>
#include <memory>

#include "arenacache/base/result.h"
#include "object.h"
#include "tier.h"

namespace arenacache::cache {

struct Core;
class PackingTurn;

class TierRoom {
 public:
  explicit TierRoom(Core& core) : core_(core) {}

  /// `bytes` more fit into `tier`, or ErrorKind::no_space with a sentence.
  base::Result<void> make(Tier& tier, std::uint64_t bytes);
  /// After limits were lowered, or others filled a disk.
  void relieve();
  /// The object whose turn it is goes on as its copy in `to`, where that has room. ErrorKind::cancelled: it was dropped or changed
  /// meanwhile.
  base::Result<void> move(const PackingTurn& turn, const std::shared_ptr<Tier>& to);
  /// Removes the object's packed copy; an object that is nothing else is dropped.
  void lose_copy(const std::shared_ptr<Object>& object);

 private:
  std::shared_ptr<Object> find_victim(const Tier& tier) const;
  void give_way(Tier& tier, const std::shared_ptr<Object>& victim);

  Core& core_;
};

}  // namespace arenacache::cache
