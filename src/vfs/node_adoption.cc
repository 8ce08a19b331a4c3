// SPDX-License-Identifier: Apache-2.0
// NodeTable: taking over the nodes and names of an earlier worker. Of each node its number, inode and names come along; what it is
// like now is for the origin to say.
#include <sys/stat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "arenacache/vfs/node_table.h"
#include "node_times.h"

namespace arenacache::vfs {

namespace {

constexpr std::size_t kMostName = 255;

CompactAttributes attributes_of(const handover::NodeRecord& record) {
  origin::Attributes attributes{};
  attributes.st_dev = record.device;
  attributes.st_ino = record.inode;
  attributes.st_mode = record.mode & S_IFMT;
  attributes.st_size = static_cast<off_t>(record.size);
  attributes.st_mtim = to_timespec(record.mtime_ns);
  return CompactAttributes(attributes);
}

}  // namespace

void NodeTable::adopt(const handover::Records::Left& left) {
  base::MutexLock lock(mutex_);
  next_id_ = std::max(next_id_, records_->next_node());
  for (const std::uint32_t thread : records_->sent_away()) sent_away_.push_back(static_cast<pid_t>(thread));
  for (const auto& [id, record] : left.nodes) {
    const NodeId node_id{record.node};
    if (node_id <= kRootNode || nodes_.contains(node_id)) {
      records_->remove(id);
      continue;
    }
    next_id_ = std::max(next_id_, record.node + 1);
    Node& node = nodes_[node_id];
    node.attributes = attributes_of(record);
    node.has_version = true;
    node.lookups = record.lookups;
    node.record = id;
    if (record.is_indexed && stable_inodes_) by_inode_.put(key_of(node), node_id, KeyOfNode{nodes_});
  }
  for (const auto& [id, record] : left.links) {
    const Name name{NodeId{record.parent}, record.name};
    Node* const node = find_locked(NodeId{record.node});
    const bool is_usable = node != nullptr && find_locked(name.parent) != nullptr && !record.name.empty() &&
                           record.name.size() <= kMostName && NodeId{record.node} != kRootNode;
    if (!is_usable || link_locked(name) != nullptr || is_at_or_above_locked(NodeId{record.node}, name.parent)) {
      records_->remove(id);
      continue;
    }
    const Link* const link = links_.insert(name, NodeId{record.node});
    link->record = id;
    link->next = std::exchange(node->links, link);
    ++nodes_.at(name.parent).children;
  }
}

bool NodeTable::adopt_open(const AdoptedOpen& adopted) {
  base::MutexLock lock(mutex_);
  Node* const node = find_locked(adopted.node);
  if (node == nullptr) return false;
  if (!node->open) node->open = std::make_unique<OpenState>();
  OpenState& open = *node->open;
  ++(adopted.kind == OpenKind::read ? open.readers : open.writers);
  if (adopted.backing != cache::kNoBacking) {
    open.way = ReadWay::backed;
    open.backing = adopted.backing;
    open.backing_version = adopted.version;
  } else {
    if (open.way == ReadWay::undecided) open.way = ReadWay::served;
    if (adopted.kind == OpenKind::read && !adopted.bypasses) open.kernel_pages = adopted.version;
  }
  return true;
}

void NodeTable::end_adoption() {
  base::MutexLock lock(mutex_);
  std::vector<NodeId> all;
  all.reserve(nodes_.size());
  for (const auto& [id, node] : nodes_) all.push_back(id);
  for (const NodeId id : all) {
    if (find_locked(id) != nullptr) drop_if_unused_locked(id);
  }
}

}  // namespace arenacache::vfs
