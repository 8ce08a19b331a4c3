// SPDX-License-Identifier: Apache-2.0
// NodeTable's indexes: numbers, names and inodes. node_opens.cc has what attributes and opens do to a node, node_changes.cc how names
// change, node_paths.cc what is built from them.
#include "arenacache/vfs/node_table.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"

namespace arenacache::vfs {

NodeTable::NodeTable(const origin::Fidelity& fidelity, handover::Records* records)
    : stable_inodes_(fidelity.stable_inodes), has_ctime_(fidelity.has_ctime), records_(records), sent_away_(records) {
  Node& root = nodes_[kRootNode];
  root.lookups = 1;  // the kernel never forgets it
  if (records_ == nullptr) return;
  root.record = handover::kRootRecord;
  if (const auto known = records_->root()) {
    root.attributes = CompactAttributes(*known);
    root.has_attributes = true;
    root.has_version = true;
  }
}

const Node* NodeTable::find_locked(NodeId id) const {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : &found->second;
}

Node* NodeTable::find_locked(NodeId id) {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : &found->second;
}

void NodeTable::set_attributes_locked(Node& node, const CompactAttributes& attributes) {
  if (node.attributes.version().ctime_ns != attributes.version().ctime_ns) node.acl = AclState::unknown;
  node.attributes = attributes;
  node.has_attributes = true;
  node.has_version = true;
  record_attributes_locked(node);
}

void NodeTable::record_attributes_locked(const Node& node) {
  if (records_ == nullptr || !node.has_attributes) return;
  records_->set_attributes(node.record, node.attributes.recorded(), pages_of(node));
  if (is_written_here(node)) records_->set_written_here(node.record);
}

void NodeTable::give_reference_locked(Node& node) {
  ++node.lookups;
  node.kernel_is_behind = false;  // an entry with its attributes comes with it
  if (records_ != nullptr) records_->set_lookups(node.record, node.lookups);
}

void NodeTable::put_key_locked(NodeId id, Node& node) {
  by_inode_.put(key_of(node), id, KeyOfNode{nodes_});
  if (records_ != nullptr) records_->set_indexed(node.record, true);
}

const Link* NodeTable::insert_link_locked(Name name, NodeId id) {
  const Link* const link = links_.insert(name, id);
  if (records_ != nullptr) {
    link->record = records_->add_link(std::to_underlying(id), std::to_underlying(name.parent), name.name);
  }
  return link;
}

void NodeTable::erase_link_locked(const Link& link) {
  if (records_ != nullptr) records_->remove(link.record);
  links_.erase(link);
}

const Link* NodeTable::link_locked(Name name) const { return links_.find(name); }

ChangeStamp NodeTable::advance_locked() { return ChangeStamp{++changes_}; }

ChangeStamp NodeTable::stamp() const {
  base::MutexLock lock(mutex_);
  return ChangeStamp{changes_};
}

std::size_t NodeTable::size() const {
  base::MutexLock lock(mutex_);
  return nodes_.size();
}

// Names.

std::optional<Entry> NodeTable::fresh_entry(Name name, base::TimePoint since) {
  base::MutexLock lock(mutex_);
  NodeId id = kNoNode;
  Node* node = current_locked(name, id);
  if (node == nullptr || node->validated <= since || (node->open && node->open->retired)) return std::nullopt;
  if (link_locked(name)->is_doubted) return std::nullopt;
  if (is_written_unseen(*node)) return std::nullopt;
  give_reference_locked(*node);
  return entry_of(id, *node);
}

std::optional<Entry> NodeTable::known_entry(Name name) {
  base::MutexLock lock(mutex_);
  NodeId id = kNoNode;
  Node* node = current_locked(name, id);
  if (node == nullptr || !node->has_attributes) return std::nullopt;
  give_reference_locked(*node);
  return entry_of(id, *node);
}

/// The node that `name` is known by. One that was retired for the way it is read, not for its version, has its successor made
/// here: the origin need not be asked for that.
Node* NodeTable::current_locked(Name name, NodeId& id) {
  const Link* link = link_locked(name);
  Node* node = link != nullptr ? find_locked(link->node) : nullptr;
  if (node == nullptr) return nullptr;
  id = link->node;
  if (!node->open || !node->open->retired || node->open->newer) return node;
  const CompactAttributes attributes = node->attributes;
  const base::TimePoint validated = node->validated;
  const bool has_attributes = node->has_attributes;
  Node& parent = nodes_.at(name.parent);
  ++parent.lookups;  // held while names in it come and go
  id = node_for_locked(name, attributes, advance_locked());
  --parent.lookups;
  Node& successor = nodes_.at(id);
  if (has_attributes) set_attributes_locked(successor, attributes);
  successor.validated = validated;
  return &successor;
}

std::optional<Entry> NodeTable::entry_seen(Name name, const origin::Attributes& attributes, ChangeStamp asked,
                                           base::TimePoint now) {
  const CompactAttributes compact(attributes);
  base::MutexLock lock(mutex_);
  Node* parent = find_locked(name.parent);
  if (parent == nullptr || name_changes_.has_changed_since(name, asked)) return std::nullopt;
  ++parent->lookups;  // held while names in it come and go
  const NodeId id = node_for_locked(name, compact, asked);
  --parent->lookups;
  Node& node = nodes_.at(id);
  if (!is_older_than_ours(asked, node)) {
    set_attributes_locked(node, compact);
    node.validated = node.doubted_at <= asked ? now : base::TimePoint::min();
    doubt_other_names(node);
  } else if (!node.has_attributes) {
    drop_if_unused_locked(id);
    return std::nullopt;  // our own change is newer than the answer, and nobody knows what it left
  }
  give_reference_locked(node);
  Entry entry = entry_of(id, node);
  if (is_written_unseen(node)) entry.validated = base::TimePoint::min();
  return entry;
}

std::optional<Entry> NodeTable::entry_listed(Name name, const ListedAttributes& listed) {
  const CompactAttributes compact(listed.attributes);
  base::MutexLock lock(mutex_);
  Node* parent = find_locked(name.parent);
  if (parent == nullptr || parent->doubted_at > listed.asked) return std::nullopt;
  const Link* link = link_locked(name);
  NodeId id = link != nullptr ? link->node : candidate_locked(nullptr, compact);
  if (id == kNoNode) {
    id = make_node_locked(compact);
    add_link_locked(name, id);
    Node& made = nodes_.at(id);
    set_attributes_locked(made, compact);
    made.validated = listed.validated;
    give_reference_locked(made);
    return entry_of(id, made);
  }
  Node& node = nodes_.at(id);
  const bool is_same = node.has_attributes && node.attributes.type() == compact.type() &&
                       node.attributes.inode() == compact.inode() && node.attributes.version() == compact.version();
  // What is known by another name is for the origin to say, and so is what an earlier worker died over.
  if (link == nullptr || link->is_doubted || (node.open && node.open->retired)) return std::nullopt;
  if (!node.has_attributes) return std::nullopt;
  if (is_written_unseen(node)) return std::nullopt;
  if (is_same && node.doubted_at <= listed.asked && node.changed_at <= listed.asked) {
    node.validated = std::max(node.validated, listed.validated);
  }
  give_reference_locked(node);
  return entry_of(id, node);
}

bool NodeTable::is_fresh(Name name, base::TimePoint since) const {
  base::MutexLock lock(mutex_);
  const Link* link = link_locked(name);
  const Node* node = link != nullptr ? find_locked(link->node) : nullptr;
  if (node == nullptr || link->is_doubted || node->validated <= since) return false;
  return !(node->open && node->open->retired) && !is_written_unseen(*node);
}

bool NodeTable::names_changed_since(NodeId id, ChangeStamp asked) const {
  base::MutexLock lock(mutex_);
  const Node* node = find_locked(id);
  return node == nullptr || node->doubted_at > asked;
}

bool NodeTable::name_missing(Name name, ChangeStamp asked) {
  base::MutexLock lock(mutex_);
  if (name_changes_.has_changed_since(name, asked)) return false;
  const Link* link = link_locked(name);
  if (link == nullptr) return true;
  lose_link_locked(*link);
  return true;
}

void NodeTable::forget(NodeId id, std::uint64_t lookups) {
  base::MutexLock lock(mutex_);
  forget_locked(id, lookups);
}

void NodeTable::forget_locked(NodeId id, std::uint64_t lookups) {
  Node* node = find_locked(id);
  if (node == nullptr || id == kRootNode) return;
  node->lookups -= std::min(node->lookups, lookups);
  if (records_ != nullptr) records_->set_lookups(node->record, node->lookups);
  drop_if_unused_locked(id);
}

/// The node that `name`, seen with `attributes`, is to be known by from now on: linked, made if there is none.
NodeId NodeTable::node_for_locked(Name name, const CompactAttributes& attributes, ChangeStamp asked) {
  const Link* link = link_locked(name);
  NodeId id = candidate_locked(link, attributes);
  const bool has_name = link != nullptr && link->node == id;
  std::optional<std::string> acl;  // of the node that it was known by
  if (const Node* node = find_locked(id); node != nullptr && !goes_on_locked(id, has_name, attributes, asked)) {
    const bool is_same = key_of(*node) == InodeKey{attributes.device(), attributes.inode()};
    if (is_same && node->attributes.version().ctime_ns == attributes.version().ctime_ns) acl = acl_locked(id);
    id = succeed_locked(id, has_name ? link : nullptr, attributes);
    if (acl) put_acl_locked(id, std::move(*acl));
    link = link_locked(name);
  }
  // A folder seen inside itself: renames on both sides raced. As another node it does no harm.
  if (attributes.type() == S_IFDIR && id != kNoNode && is_at_or_above_locked(id, name.parent)) id = kNoNode;
  if (link != nullptr && link->node != id) {
    lose_link_locked(*link);
    link = nullptr;
  }
  if (id == kNoNode) id = make_node_locked(attributes);
  if (link == nullptr) {
    // A folder has one name: it was moved behind our back.
    if (const Link* old = nodes_.at(id).links; old != nullptr && attributes.type() == S_IFDIR) drop_link_locked(*old);
    add_link_locked(name, id);
  } else if (Node& node = nodes_.at(id); node.links != link) {
    unchain(node, *link);
    link->next = std::exchange(node.links, link);
  }
  nodes_.at(id).links->is_doubted = false;
  return id;
}

NodeId NodeTable::candidate_locked(const Link* link, const CompactAttributes& attributes) const {
  if (!stable_inodes_) return link != nullptr ? link->node : kNoNode;
  return by_inode_.find({attributes.device(), attributes.inode()}, KeyOfNode{nodes_});
}

bool NodeTable::is_at_or_above_locked(NodeId upper, NodeId lower) const {
  while (lower != upper) {
    const Node* node = find_locked(lower);
    if (node == nullptr || node->links == nullptr) return false;
    lower = node->links->parent;
  }
  return true;
}

NodeId NodeTable::make_node_locked(const CompactAttributes& attributes) {
  const NodeId id{next_id_++};
  Node& node = nodes_[id];
  node.attributes = attributes;
  if (records_ != nullptr) {
    records_->set_next_node(next_id_);
    node.record = records_->add(handover::NodeRecord{
        .node = std::to_underlying(id), .attributes = attributes.recorded(), .pages = handover::KernelPages::none});
  }
  if (stable_inodes_) put_key_locked(id, node);
  return id;
}

void NodeTable::add_link_locked(Name name, NodeId id) {
  Node& node = nodes_.at(id);
  const Link* const link = insert_link_locked(name, id);
  link->next = std::exchange(node.links, link);
  ++nodes_.at(name.parent).children;
}

void NodeTable::unchain(Node& node, const Link& link) {
  const Link** at = &node.links;
  while (*at != &link) at = &(*at)->next;
  *at = link.next;
}

/// Takes a name away. The node itself stays: call drop_if_unused_locked() when done with it.
void NodeTable::drop_link_locked(const Link& link) {
  unchain(nodes_.at(link.node), link);
  const NodeId parent = link.parent;
  erase_link_locked(link);
  --nodes_.at(parent).children;
  drop_if_unused_locked(parent);
}

/// A name went behind our back. If it was the file's last, the inode number may come again for another file.
void NodeTable::lose_link_locked(const Link& link) {
  const NodeId id = link.node;
  note_lost_name_locked(link);
  drop_link_locked(link);
  const Node* node = find_locked(id);
  if (node != nullptr && node->links == nullptr && node->attributes.link_count() <= 1) {
    drop_key_locked(id, *node);
    note_inode_gone_locked(id);
  }
  note_nameless_locked(id);
  drop_if_unused_locked(id);
}

void NodeTable::drop_key_locked(NodeId id, const Node& node) {
  by_inode_.erase(key_of(node), id, KeyOfNode{nodes_});
  if (records_ != nullptr) records_->set_indexed(node.record, false);
}

void NodeTable::drop_if_unused_locked(NodeId id) {
  while (id != kRootNode) {
    Node* node = find_locked(id);
    if (node == nullptr || node->lookups > 0 || node->children > 0) return;
    if (node->open && node->open->readers + node->open->writers > 0) return;
    drop_key_locked(id, *node);
    give_names_back_locked(id);
    NodeId parent = kRootNode;
    while (node->links != nullptr) {
      const Link& link = *node->links;
      if (parent != kRootNode) drop_if_unused_locked(parent);
      parent = link.parent;
      node->links = link.next;
      erase_link_locked(link);
      --nodes_.at(parent).children;
    }
    if (records_ != nullptr) records_->remove(node->record);
    nodes_.erase(id);
    acls_.erase(id);
    nameless_.erase(id);
    id = parent;
  }
}

void NodeTable::check_invariants() const {
  base::MutexLock lock(mutex_);
  std::unordered_map<NodeId, std::uint32_t> children;
  std::size_t chained = 0;
  for (const auto& [id, node] : nodes_) {
    for (const Link* link = node.links; link != nullptr; link = link->next) {
      AC_CHECK(link->node == id);
      AC_CHECK(nodes_.contains(link->parent));
      ++children[link->parent];
      ++chained;
    }
    AC_CHECK(node.lookups > 0 || node.children > 0 || (node.open && node.open->readers + node.open->writers > 0));
  }
  AC_CHECK(chained == links_.size());
  for (const auto& [id, node] : nodes_) AC_CHECK(node.children == children[id]);
  std::vector<NodeId> indexed;
  by_inode_.for_each([&](NodeId id) { indexed.push_back(id); });
  const KeyOfNode key_of_node{nodes_};
  for (const NodeId id : indexed) {
    AC_CHECK(nodes_.contains(id));
    AC_CHECK(by_inode_.find(key_of_node(id), key_of_node) == id);
  }
}

}  // namespace arenacache::vfs
