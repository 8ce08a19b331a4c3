// SPDX-License-Identifier: Apache-2.0
// NodeTable: how names change: doubted, as something happened behind our back, or changed through the mount.
#include <sys/stat.h>

#include <unordered_map>
#include <vector>

#include "arenacache/vfs/node_table.h"

namespace arenacache::vfs {

// Changes behind our back.

void NodeTable::doubt_locked(Node& node, ChangeStamp now) {
  node.doubted_at = now;
  node.validated = base::TimePoint::min();
}

/// The node has more names than it has links: the one that was confirmed last is right, the others are to be asked.
void NodeTable::doubt_other_names(Node& node) {
  std::uint32_t count = 0;
  for (const Link* link = node.links; link != nullptr; link = link->next) ++count;
  if (count <= 1 || count <= node.attributes.link_count()) return;
  for (const Link* link = node.links->next; link != nullptr; link = link->next) link->is_doubted = true;
}

ChangeStamp NodeTable::name_doubted(Name name) {
  base::MutexLock lock(mutex_);
  const ChangeStamp now = advance_locked();
  name_changes_.note(name, now);
  if (Node* parent = find_locked(name.parent)) doubt_locked(*parent, now);
  const Link* link = link_locked(name);
  Node* node = link != nullptr ? find_locked(link->node) : nullptr;
  if (node != nullptr) {
    doubt_locked(*node, now);
    link->is_doubted = true;
  }
  return now;
}

ChangeStamp NodeTable::attributes_doubted(NodeId id) {
  base::MutexLock lock(mutex_);
  const ChangeStamp now = advance_locked();
  if (Node* node = find_locked(id)) doubt_locked(*node, now);
  return now;
}

std::vector<NodeId> NodeTable::tree_doubted(NodeId top) {
  base::MutexLock lock(mutex_);
  const ChangeStamp now = advance_locked();
  name_changes_.note_all(now);
  std::unordered_map<NodeId, bool> folders;  // whether what has this for its folder is below `top`
  const auto is_inside = [&](const auto& self, NodeId id) AC_REQUIRES(mutex_) -> bool {
    if (id == top) return true;
    if (id == kRootNode) return false;
    if (const auto known = folders.find(id); known != folders.end()) return known->second;
    const Node* node = find_locked(id);
    const bool is_below = node != nullptr && node->links != nullptr && self(self, node->links->parent);
    folders[id] = is_below;
    return is_below;
  };
  std::vector<NodeId> inside;
  for (auto& [id, node] : nodes_) {
    bool is_below = id == top;
    for (const Link* link = node.links; link != nullptr && !is_below; link = link->next) {
      is_below = is_inside(is_inside, link->parent);
    }
    if (!is_below) continue;
    doubt_locked(node, now);
    for (const Link* link = node.links; link != nullptr; link = link->next) link->is_doubted = true;
    inside.push_back(id);
  }
  return inside;
}

// Names changed through the mount.

void NodeTable::name_changed_locked(Name name) {
  const ChangeStamp now = advance_locked();
  name_changes_.note(name, now);
  if (Node* node = find_locked(name.parent)) {
    node->doubted_at = now;
    unvalidate(*node, now);
  }
}

void NodeTable::name_added(Name name) {
  base::MutexLock lock(mutex_);
  name_changed_locked(name);
}

void NodeTable::name_removed(Name name) {
  base::MutexLock lock(mutex_);
  name_removed_locked(name);
}

void NodeTable::name_removed_locked(Name name) {
  name_changed_locked(name);
  const Link* link = link_locked(name);
  if (link == nullptr) return;
  const NodeId id = link->node;
  Node& node = nodes_.at(id);
  drop_link_locked(*link);
  node.attributes.lose_link();
  record_attributes_locked(node);
  unvalidate(node, advance_locked());
  // The inode is gone, and its number may come again for another file.
  const bool has_others = node.has_attributes ? node.attributes.link_count() > 0 : node.links != nullptr;
  const bool was_last = node.attributes.type() == S_IFDIR || !has_others;
  if (was_last) {
    drop_key_locked(id, node);
    note_inode_gone_locked(id);
  }
  note_nameless_locked(id);
  drop_if_unused_locked(id);
}

void NodeTable::name_moved(Name from, Name to) {
  base::MutexLock lock(mutex_);
  const Link* link = link_locked(from);
  const Link* const replaced = link_locked(to);
  // It was seen there before the move was told.
  const bool is_there = link != nullptr && replaced != nullptr && link->node == replaced->node;
  if (is_there) {
    name_changed_locked(to);
  } else {
    if (replaced != nullptr) note_lost_name_locked(*replaced);
    name_removed_locked(to);
  }
  name_changed_locked(from);
  link = link_locked(from);
  if (link == nullptr || find_locked(to.parent) == nullptr) return;
  const NodeId id = link->node;
  Node& node = nodes_.at(id);
  ++node.lookups;  // held until it has one name again
  if (!is_there) add_link_locked(to, id);
  drop_link_locked(*link);
  unvalidate(node, advance_locked());
  --node.lookups;
}

void NodeTable::names_exchanged(Name first, Name second) {
  base::MutexLock lock(mutex_);
  name_changed_locked(first);
  name_changed_locked(second);
  const auto take = [&](Name name) AC_REQUIRES(mutex_) {
    const Link* link = link_locked(name);
    if (link == nullptr) return kNoNode;
    const NodeId id = link->node;
    ++nodes_.at(id).lookups;  // held while it has no name
    drop_link_locked(*link);
    return id;
  };
  const auto give = [&](Name name, NodeId id) AC_REQUIRES(mutex_) {
    if (id == kNoNode) return;
    Node& node = nodes_.at(id);
    if (find_locked(name.parent) != nullptr) add_link_locked(name, id);
    unvalidate(node, advance_locked());
    --node.lookups;
    drop_if_unused_locked(id);
  };
  const NodeId one = take(first);
  const NodeId other = take(second);
  give(second, one);
  give(first, other);
}

}  // namespace arenacache::vfs
