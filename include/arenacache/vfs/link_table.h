// SPDX-License-Identifier: Apache-2.0
// LinkTable: names by folder and name. Link: one name of one node.
// Promises: a link keeps its address until it is erased; it lies in memory with its name behind it, 40 bytes and the name, as
// there may be a million of them.
// Owner: NodeTable, which guards it. Threads: under NodeTable's lock. Never: two links of one name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

class LinkTable {
 public:
  LinkTable() = default;
  ~LinkTable();
  LinkTable(const LinkTable&) = delete;
  LinkTable& operator=(const LinkTable&) = delete;

  /// Null: there is none.
  [[nodiscard]] const Link* find(Name name) const;
  /// `name` must not be there.
  const Link* insert(Name name, NodeId node);
  void erase(const Link& link);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] static std::uint32_t hash_of(Name name);

 private:
  [[nodiscard]] Link*& bucket_of(std::uint32_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }
  void grow();

  std::vector<Link*> buckets_;  ///< a power of two of them
  std::size_t size_ = 0;
};

}  // namespace arenacache::vfs
