// SPDX-License-Identifier: Apache-2.0
// NodeTable: a file that gets another node while its old one is open: the old one loses its names to it, and gets them back when
// the kernel forgets the new one first. Whoever dies in between leaves each name with one of the two, so that a successor finds
// what is open by it.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/vfs/node_table.h"

namespace arenacache::vfs {

/// A new node for the file that `id` was, which keeps what is open. `link`: a name that is the new one's from now on; may be null.
NodeId NodeTable::succeed_locked(NodeId id, const Link* link, const CompactAttributes& attributes) {
  const Node& node = nodes_.at(id);
  const InodeKey key = key_of(node);
  drop_key_locked(id, node);
  const bool is_of_now = node.open && (node.open->follows || is_written_now(*node.open));
  const bool is_followed = is_of_now && key == InodeKey{attributes.device(), attributes.inode()};
  const bool is_same = is_followed || node.attributes.version().same_data(attributes.version());
  const NodeId successor = make_node_locked(attributes);
  if (is_same) note_successor_locked(id, successor);
  if (link != nullptr) {
    note_lost_name_locked(*link);
    pass_link_locked(*link, successor);
  }
  detach_locked(id);
  return successor;
}

void NodeTable::note_successor_locked(NodeId id, NodeId successor) {
  if (id == kNoNode) return;
  if (const Node* const node = find_locked(id); node != nullptr && node->open) node->open->successor = successor;
  for (const NodeId older : nameless_) {
    OpenState& open = *nodes_.at(older).open;
    if (open.successor == id) open.successor = successor;
  }
}

void NodeTable::pass_link_locked(const Link& link, NodeId to) {
  unchain(nodes_.at(link.node), link);
  Node& node = nodes_.at(to);
  link.node = to;
  link.next = std::exchange(node.links, &link);
  if (records_ != nullptr) records_->set_node_of(link.record, std::to_underlying(to));
}

/// Takes all names and the inode number away: whoever looks them up gets another node. Open handles go on with this one.
void NodeTable::detach_locked(NodeId id) {
  Node& node = nodes_.at(id);
  ++node.lookups;  // held while its names go
  while (node.links != nullptr) {
    note_lost_name_locked(*node.links);
    drop_link_locked(*node.links);
  }
  drop_key_locked(id, node);
  if (node.open) {
    node.open->retired = true;
    node.open->estale_sent = false;  // another of its names may still be opened by its number
  }
  --node.lookups;
  note_nameless_locked(id);
  drop_if_unused_locked(id);
}

void NodeTable::note_nameless_locked(NodeId id) {
  const Node* const node = find_locked(id);
  if (node == nullptr || node->links != nullptr || !node->open) return;
  if (node->open->readers + node->open->writers > 0) nameless_.insert(id);
}

/// The inode's last name went: its number may come again, for a file that is none of what is open here.
void NodeTable::note_inode_gone_locked(NodeId id) {
  const InodeKey key = key_of(nodes_.at(id));
  const auto note = [&](Node& node) AC_REQUIRES(mutex_) {
    while (node.attributes.link_count() > 0) node.attributes.lose_link();
    record_attributes_locked(node);
  };
  note(nodes_.at(id));
  for (const NodeId older : nameless_) {
    if (Node& node = nodes_.at(older); key_of(node) == key) note(node);
  }
}

void NodeTable::note_lost_name_locked(const Link& link) {
  if (nodes_.at(link.node).attributes.type() != S_IFREG) return;
  if (lost_names_.size() == kMostLostNames) {
    if (records_ != nullptr) records_->remove(lost_names_.front().record);
    lost_names_.pop_front();
  }
  LostName lost{.node = link.node, .parent = link.parent, .name = std::string(link.name())};
  if (records_ != nullptr) {
    lost.record = records_->add_lost_name(
        {.node = std::to_underlying(lost.node), .parent = std::to_underlying(lost.parent), .name = lost.name});
  }
  lost_names_.push_back(std::move(lost));
}

std::optional<std::string> NodeTable::lost_path(NodeId id) const {
  base::MutexLock lock(mutex_);
  const auto found = std::ranges::find(lost_names_.rbegin(), lost_names_.rend(), id, &LostName::node);
  if (found == lost_names_.rend()) return std::nullopt;
  const auto folder = path_locked(found->parent);
  if (!folder) return std::nullopt;
  return folder->empty() ? found->name : *folder + '/' + found->name;
}

bool NodeTable::becomes(NodeId id, const origin::Attributes& attributes, base::TimePoint now) {
  base::MutexLock lock(mutex_);
  Node* const node = find_locked(id);
  if (node == nullptr || id == kRootNode || node->links != nullptr) return false;
  if (node->open && node->open->readers + node->open->writers + node->open->changing > 0) return false;
  drop_key_locked(id, *node);
  node->open = std::make_unique<OpenState>();
  node->open->has_unknown_pages = true;
  set_attributes_locked(*node, CompactAttributes(attributes));
  node->acl = AclState::unknown;
  node->validated = now;
  node->changed_at = advance_locked();
  return true;
}

NodeId NodeTable::with_name_of(NodeId id) const {
  base::MutexLock lock(mutex_);
  const Node* const node = find_locked(id);
  if (node == nullptr || node->links != nullptr || node->attributes.link_count() == 0) return id;
  const NodeId current = by_inode_.find(key_of(*node), KeyOfNode{nodes_});
  return current != kNoNode && nodes_.at(current).links != nullptr ? current : id;
}

std::vector<NodeId> NodeTable::incarnations(NodeId id) const {
  base::MutexLock lock(mutex_);
  std::vector<NodeId> all{id};
  const Node* const node = find_locked(id);
  if (node == nullptr) return all;
  for (const NodeId older : nameless_) {
    const Node& other = nodes_.at(older);
    if (older != id && other.links == nullptr && key_of(other) == key_of(*node)) all.push_back(older);
  }
  return all;
}

std::vector<NodeId> NodeTable::served_beside(NodeId id, bool past_pages) const {
  base::MutexLock lock(mutex_);
  return served_beside_locked(id, past_pages);
}

std::vector<NodeId> NodeTable::served_beside_locked(NodeId id, bool past_pages) const {
  std::vector<NodeId> all;
  const Node* const node = find_locked(id);
  const bool has_successor = node != nullptr && node->open && find_locked(node->open->successor) != nullptr;
  const NodeId current = has_successor ? node->open->successor : id;
  const auto add = [&](NodeId one, const Node& other, bool may_be_written) AC_REQUIRES(mutex_) {
    const bool is_served = other.open && other.open->way == ReadWay::served && other.open->readers > 0;
    if (is_served && (may_be_written || !other.open->writes_pages)) all.push_back(one);
  };
  // The kernel drops what it has of a place before a write that goes past its pages; a read brings the old bytes back before it is done.
  // Who wrote through them may have closed, and the kernel not told so yet.
  if (node != nullptr && node->open && node->open->writers > 0) add(id, *node, past_pages);
  if (has_successor) add(current, nodes_.at(current), false);
  for (const NodeId older : nameless_) {
    const Node& other = nodes_.at(older);
    if (older != id && other.open->successor == current) add(older, other, false);
  }
  return all;
}

/// `id` is about to go: its names are what an older node of the file, at the same version or with opens that follow its writers, is
/// found by. Whoever looks up anew a name that it knows has the kernel forget the first answer, and ask again.
void NodeTable::give_names_back_locked(NodeId id) {
  Node& node = nodes_.at(id);
  if (node.links == nullptr) return;
  const auto older = std::ranges::find_if(nameless_, [&](NodeId one) AC_REQUIRES(mutex_) {
    const Node& other = nodes_.at(one);
    if (one == id || other.links != nullptr || !other.open || key_of(other) != key_of(node)) return false;
    const bool is_same = other.open->successor == id || other.attributes.version().same_data(node.attributes.version());
    return is_same && other.open->readers + other.open->writers > 0;
  });
  if (older == nameless_.end()) return;
  Node& heir = nodes_.at(*older);
  if (node.has_attributes) set_attributes_locked(heir, node.attributes);
  heir.validated = node.validated;
  heir.changed_at = std::max(heir.changed_at, node.changed_at);
  heir.doubted_at = std::max(heir.doubted_at, node.doubted_at);
  if (heir.open->retired) heir.open->newer.reset();
  note_successor_locked(id, *older);
  heir.open->successor = kNoNode;
  while (node.links != nullptr) pass_link_locked(*node.links, *older);
  if (stable_inodes_ && by_inode_.find(key_of(heir), KeyOfNode{nodes_}) == kNoNode) put_key_locked(*older, heir);
  nameless_.erase(older);
}

}  // namespace arenacache::vfs
