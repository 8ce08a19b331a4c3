// SPDX-License-Identifier: Apache-2.0
// NodeTable: taking over the nodes and names of an earlier worker. Of each node its number, inode and names come along; what it is
// like now is for the origin to say.
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "arenacache/vfs/node_table.h"
#include "node_times.h"

namespace arenacache::vfs {

namespace {

constexpr std::size_t kMostName = 255;
/// No mount gives as many numbers, nor as many references: what claims to have is garbage, and one more would be none.
constexpr std::uint64_t kMostNumber = std::uint64_t{1} << 62U;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMostName && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

/// Whether `upper` is `lower` or above it by any of its names: garbage may give a folder several.
bool is_at_or_above(const std::unordered_map<NodeId, Node>& nodes, NodeId upper, NodeId lower) {
  std::vector<NodeId> todo{lower};
  std::unordered_set<NodeId> seen;
  while (!todo.empty()) {
    const NodeId id = todo.back();
    todo.pop_back();
    if (id == upper) return true;
    const auto found = nodes.find(id);
    if (found == nodes.end() || !seen.insert(id).second) continue;
    for (const Link* link = found->second.links; link != nullptr; link = link->next) todo.push_back(link->parent);
  }
  return false;
}

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
  if (records_->next_node() <= kMostNumber) next_id_ = std::max(next_id_, records_->next_node());
  for (const std::uint32_t thread : records_->sent_away()) sent_away_.push_back(static_cast<pid_t>(thread));
  for (const auto& [id, record] : left.nodes) {
    const NodeId node_id{record.node};
    if (node_id <= kRootNode || record.node > kMostNumber || nodes_.contains(node_id)) {
      records_->remove(id);
      continue;
    }
    next_id_ = std::max(next_id_, record.node + 1);
    Node& node = nodes_[node_id];
    node.attributes = attributes_of(record);
    node.has_version = true;
    node.lookups = std::min(record.lookups, kMostNumber);
    node.record = id;
    if (record.is_indexed && stable_inodes_) by_inode_.put(key_of(node), node_id, KeyOfNode{nodes_});
  }
  for (const auto& [id, record] : left.links) {
    const Name name{NodeId{record.parent}, record.name};
    Node* const node = find_locked(NodeId{record.node});
    const Node* const parent = find_locked(name.parent);
    const bool is_usable = node != nullptr && NodeId{record.node} != kRootNode && parent != nullptr &&
                           (name.parent == kRootNode || parent->attributes.type() == S_IFDIR) && is_name(record.name);
    // Nothing is below what has no names in it yet.
    const bool is_ring =
        is_usable && (node->children > 0 || node == parent) && is_at_or_above(nodes_, NodeId{record.node}, name.parent);
    if (!is_usable || is_ring || link_locked(name) != nullptr) {
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
