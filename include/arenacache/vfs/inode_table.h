// SPDX-License-Identifier: Apache-2.0
// InodeTable: nodes by device and inode number, as no more than their ids: the numbers stand in the nodes.
// Promises: 8 bytes a slot, at most three quarters of them taken.
// Owner: NodeTable, which guards it. Threads: under NodeTable's lock. Never: holds two nodes of one inode.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

struct InodeKey {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const InodeKey&, const InodeKey&) = default;
};

/// Each call is given `key_of`, which tells the key of a node that is in the table.
class InodeTable {
 public:
  /// kNoNode: none.
  template <class KeyOf>
  [[nodiscard]] NodeId find(const InodeKey& key, KeyOf key_of) const {
    const auto slot = slot_of(key, key_of);
    return slot ? slots_[*slot] : kNoNode;
  }

  /// Takes the place of a node with the same key.
  template <class KeyOf>
  void put(const InodeKey& key, NodeId node, KeyOf key_of) {
    if (const auto slot = slot_of(key, key_of)) {
      slots_[*slot] = node;
      return;
    }
    if (4 * (used_ + 1) > 3 * slots_.size()) rebuild(key_of);
    place(key, node);
    ++size_;
  }

  template <class KeyOf>
  void erase(const InodeKey& key, NodeId node, KeyOf key_of) {
    const auto slot = slot_of(key, key_of);
    if (!slot || slots_[*slot] != node) return;
    slots_[*slot] = kErased;
    --size_;
  }

  template <class Visit>
  void for_each(Visit visit) const {
    for (const NodeId id : slots_) {
      if (id != kNoNode && id != kErased) visit(id);
    }
  }

 private:
  static constexpr NodeId kErased{std::numeric_limits<std::uint64_t>::max()};
  static constexpr std::size_t kFirstSlots = 64;
  // Spreads numbers that differ in few bits. Source: 2^64 divided by the golden ratio.
  static constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15ULL;

  [[nodiscard]] std::size_t first_slot(const InodeKey& key) const {
    const std::uint64_t hash = (key.device * kSpread ^ key.inode) * kSpread;
    return (hash ^ (hash >> 32U)) & (slots_.size() - 1);
  }

  template <class KeyOf>
  [[nodiscard]] std::optional<std::size_t> slot_of(const InodeKey& key, KeyOf key_of) const {
    if (slots_.empty()) return std::nullopt;
    for (std::size_t slot = first_slot(key); slots_[slot] != kNoNode; slot = (slot + 1) & (slots_.size() - 1)) {
      if (slots_[slot] != kErased && key_of(slots_[slot]) == key) return slot;
    }
    return std::nullopt;
  }

  void place(const InodeKey& key, NodeId node) {
    std::size_t slot = first_slot(key);
    while (slots_[slot] != kNoNode) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = node;
    ++used_;
  }

  /// Larger if there are many, and without what was erased.
  template <class KeyOf>
  void rebuild(KeyOf key_of) {
    std::size_t count = std::max(kFirstSlots, slots_.size());
    while (2 * (size_ + 1) > count) count *= 2;
    std::vector<NodeId> old(count, kNoNode);
    old.swap(slots_);
    used_ = 0;
    for (const NodeId id : old) {
      if (id != kNoNode && id != kErased) place(key_of(id), id);
    }
  }

  std::vector<NodeId> slots_;  ///< a power of two of them; kNoNode: never taken
  std::size_t size_ = 0;
  std::size_t used_ = 0;  ///< slots that are not kNoNode
};

}  // namespace arenacache::vfs
