// SPDX-License-Identifier: Apache-2.0
// NodeTable: taking over the nodes and names of an earlier worker. Of each node its number, names and attributes come along; whether
// those still hold is for the origin to say.
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

namespace arenacache::vfs {

namespace {

constexpr std::size_t kMostName = 255;
/// No mount gives as many numbers, nor as many references: what claims to have is garbage, and one more would be none.
constexpr std::uint64_t kMostNumber = std::uint64_t{1} << 62U;

bool is_file_name(std::string_view name) {
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

}  // namespace

void NodeTable::adopt(const handover::Records::Left& left, const std::set<std::uint64_t>& unanswered) {
  base::MutexLock lock(mutex_);
  if (records_->next_node() <= kMostNumber) next_id_ = std::max(next_id_, records_->next_node());
  sent_away_.adopt(unanswered);
  for (const auto& [id, record] : left.nodes) {
    const NodeId node_id{record.node};
    if (node_id <= kRootNode || record.node > kMostNumber || nodes_.contains(node_id)) {
      records_->remove(id);
      continue;
    }
    next_id_ = std::max(next_id_, record.node + 1);
    Node& node = nodes_[node_id];
    node.attributes = CompactAttributes(record.attributes);
    node.has_attributes = record.has_attributes;
    node.has_version = true;
    node.lookups = std::min(record.lookups, kMostNumber);
    node.record = id;
    adopt_data_locked(node, record);
    if (record.is_indexed && stable_inodes_) by_inode_.put(key_of(node), node_id, KeyOfNode{nodes_});
  }
  for (const auto& [id, record] : left.links) {
    const Name name{NodeId{record.parent}, record.name};
    Node* const node = find_locked(NodeId{record.node});
    const Node* const parent = find_locked(name.parent);
    const bool is_usable = node != nullptr && NodeId{record.node} != kRootNode && parent != nullptr &&
                           (name.parent == kRootNode || parent->attributes.type() == S_IFDIR) &&
                           is_file_name(record.name);
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
  adopt_lost_names_locked(left);
}

void NodeTable::adopt_lost_names_locked(const handover::Records::Left& left) {
  for (const auto& [id, record] : left.lost_names) {
    const bool is_usable = find_locked(NodeId{record.node}) != nullptr && is_file_name(record.name);
    if (!is_usable || lost_names_.size() == kMostLostNames) {
      records_->remove(id);
      continue;
    }
    lost_names_.push_back(
        {.node = NodeId{record.node}, .parent = NodeId{record.parent}, .name = record.name, .record = id});
  }
}

/// What the kernel may have of the node's data, and whose they are.
void NodeTable::adopt_data_locked(Node& node, const handover::NodeRecord& record) {
  const bool is_written_here = record.is_written_here && record.has_attributes;
  const bool has_pages = record.pages != handover::KernelPages::none;
  if ((!has_pages && !is_written_here) || node.attributes.type() != S_IFREG) return;
  node.open = std::make_unique<OpenState>();
  if (is_written_here) node.open->written = node.attributes.version();
  if (!has_pages) return;
  if (record.pages == handover::KernelPages::current && node.has_attributes) {
    node.open->kernel_pages = node.attributes.version();
  } else {
    node.open->has_unknown_pages = true;
  }
}

bool NodeTable::adopt_open(const AdoptedOpen& adopted) {
  base::MutexLock lock(mutex_);
  Node* const node = find_locked(adopted.node);
  if (node == nullptr) return false;
  if (!node->open) node->open = std::make_unique<OpenState>();
  OpenState& open = *node->open;
  ++(adopted.kind == OpenKind::read ? open.readers : open.writers);
  if (adopted.kind == OpenKind::write && !adopted.bypasses) open.writes_pages = true;
  if (adopted.drops_pages) ++open.dropping;
  open.follows = open.follows || adopted.follows;
  open.keeps_version = open.keeps_version || (adopted.kind == OpenKind::read && !adopted.follows);
  if (adopted.backing != cache::kNoBacking) {
    open.way = ReadWay::backed;
    open.backing = adopted.backing;
    open.backing_version = adopted.version;
  } else {
    if (open.way == ReadWay::undecided) open.way = ReadWay::served;
    const bool reads_pages = adopted.kind == OpenKind::read && !adopted.bypasses;
    if (open.has_unknown_pages && reads_pages) open.kernel_pages = adopted.version;
  }
  return true;
}

std::optional<std::string> NodeTable::path_of_twin(NodeId id, const std::optional<origin::Version>& version) const {
  base::MutexLock lock(mutex_);
  const Node* const node = find_locked(id);
  if (node == nullptr || (!version && node->attributes.link_count() == 0)) return std::nullopt;
  const InodeKey key = key_of(*node);
  const auto twin = std::ranges::find_if(nodes_, [&](const auto& one) {
    const Node& other = one.second;
    return other.links != nullptr && key_of(other) == key &&
           (!version || other.attributes.version().same_data(*version));
  });
  return twin == nodes_.end() ? std::nullopt : path_locked(twin->first);
}

void NodeTable::end_adoption() {
  base::MutexLock lock(mutex_);
  std::vector<NodeId> all;
  all.reserve(nodes_.size());
  for (const auto& [id, node] : nodes_) all.push_back(id);
  for (const NodeId id : all) note_nameless_locked(id);
  for (const NodeId older : nameless_) {
    const Node& node = nodes_.at(older);
    const NodeId current = by_inode_.find(key_of(node), KeyOfNode{nodes_});
    const bool is_there = current != kNoNode && current != older && node.attributes.link_count() > 0;
    // Who died while it was written may have noted less than was written.
    const bool is_same = is_there && nodes_.at(current).attributes.version().same_data(node.attributes.version());
    if (is_same || (is_there && node.open->follows)) node.open->successor = current;
  }
  for (const NodeId id : all) {
    const Node* const node = find_locked(id);
    if (node == nullptr) continue;
    // Its maker died while the last name was taken away, and the inode's number may come again. A folder has one name.
    const bool is_last = node->attributes.type() == S_IFDIR || node->attributes.link_count() <= 1;
    if (node->links == nullptr && is_last && id != kRootNode) drop_key_locked(id, *node);
    drop_if_unused_locked(id);
  }
}

}  // namespace arenacache::vfs
