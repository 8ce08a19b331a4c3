// SPDX-License-Identifier: Apache-2.0
// NodeTable's indexes: numbers, names and inodes. node_opens.cc has what attributes and opens do to a node.
#include "arenacache/vfs/node_table.h"

#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"

namespace arenacache::vfs {

namespace {

constexpr std::size_t kMostLostNames = 64;

}  // namespace

NodeTable::NodeTable(const origin::Fidelity& fidelity, handover::Records* records)
    : stable_inodes_(fidelity.stable_inodes), has_ctime_(fidelity.has_ctime), records_(records) {
  Node& root = nodes_[kRootNode];
  root.lookups = 1;  // the kernel never forgets it
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
  node.attributes = attributes;
  node.has_attributes = true;
  node.has_version = true;
  if (records_ != nullptr) records_->set_version(node.record, attributes.size(), attributes.modify_ns());
}

void NodeTable::give_reference_locked(Node& node) {
  ++node.lookups;
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
  set_attributes_locked(successor, attributes);
  successor.has_attributes = has_attributes;
  successor.validated = validated;
  return &successor;
}

std::optional<Entry> NodeTable::entry_seen(Name name, const origin::Attributes& attributes, ChangeStamp asked,
                                           base::TimePoint now) {
  const CompactAttributes compact(attributes);
  base::MutexLock lock(mutex_);
  Node* parent = find_locked(name.parent);
  if (parent == nullptr || parent->doubted_at > asked) return std::nullopt;
  ++parent->lookups;  // held while names in it come and go
  const NodeId id = node_for_locked(name, compact, asked);
  --parent->lookups;
  Node& node = nodes_.at(id);
  if (node.changed_at <= asked) {
    set_attributes_locked(node, compact);
    node.validated = node.doubted_at <= asked ? now : base::TimePoint::min();
    doubt_other_names(node);
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
  // What is known by another name, or differs, is for the origin to say.
  if (link == nullptr || link->is_doubted || (node.open && node.open->retired)) return std::nullopt;
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

std::optional<NodeId> NodeTable::find(std::string_view path) const {
  base::MutexLock lock(mutex_);
  NodeId id = kRootNode;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const Link* link = link_locked({id, path.substr(0, slash)});
    if (link == nullptr) return std::nullopt;
    id = link->node;
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return id;
}

bool NodeTable::name_missing(Name name, ChangeStamp asked) {
  base::MutexLock lock(mutex_);
  const Node* parent = find_locked(name.parent);
  if (parent != nullptr && parent->doubted_at > asked) return false;
  const Link* link = link_locked(name);
  if (link == nullptr) return true;
  note_lost_locked(link->node, name);
  lose_link_locked(*link);
  return true;
}

void NodeTable::forget(NodeId id, std::uint64_t lookups) {
  base::MutexLock lock(mutex_);
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
  if (const Node* node = find_locked(id); node != nullptr && !goes_on_locked(*node, attributes, asked)) {
    note_lost_locked(id, name);
    detach_locked(id);
    link = link_locked(name);
    id = kNoNode;
  }
  // A folder seen inside itself: renames on both sides raced. As another node it does no harm.
  if (attributes.type() == S_IFDIR && id != kNoNode && is_at_or_above_locked(id, name.parent)) id = kNoNode;
  if (link != nullptr && link->node != id) {
    note_lost_locked(link->node, name);
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

void NodeTable::note_lost_locked(NodeId id, Name name) {
  lost_names_.push_back({.node = id, .parent = name.parent, .name = std::string(name.name)});
  if (lost_names_.size() > kMostLostNames) lost_names_.pop_front();
}

std::optional<std::string> NodeTable::lost_path(NodeId id) const {
  base::MutexLock lock(mutex_);
  const auto lost = std::ranges::find(lost_names_.rbegin(), lost_names_.rend(), id, &LostName::node);
  if (lost == lost_names_.rend()) return std::nullopt;
  const auto folder = path_locked(lost->parent);
  if (!folder) return std::nullopt;
  return folder->empty() ? lost->name : *folder + '/' + lost->name;
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
    node.record = records_->add(handover::NodeRecord{.node = std::to_underlying(id),
                                                     .device = attributes.device(),
                                                     .inode = attributes.inode(),
                                                     .lookups = 0,
                                                     .mode = attributes.type(),
                                                     .is_indexed = false});
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
  drop_link_locked(link);
  const Node* node = find_locked(id);
  if (node != nullptr && node->links == nullptr && node->attributes.link_count() <= 1) drop_key_locked(id, *node);
  drop_if_unused_locked(id);
}

/// Takes all names and the inode number away: whoever looks them up gets another node. Open handles go on with this one.
void NodeTable::detach_locked(NodeId id) {
  Node& node = nodes_.at(id);
  ++node.lookups;  // held while its names go
  while (node.links != nullptr) drop_link_locked(*node.links);
  drop_key_locked(id, node);
  if (node.open) {
    node.open->retired = true;
    node.open->estale_sent = false;  // another of its names may still be opened by its number
  }
  --node.lookups;
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
    id = parent;
  }
}

// Paths.

std::optional<std::string> NodeTable::path_locked(NodeId id) const {
  std::vector<std::string_view> parts;
  std::size_t length = 0;
  while (id != kRootNode) {
    const Node* node = find_locked(id);
    if (node == nullptr || node->links == nullptr) return std::nullopt;
    parts.push_back(node->links->name());
    length += node->links->name().size() + 1;
    id = node->links->parent;
  }
  std::string path;
  path.reserve(length);
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!path.empty()) path += '/';
    path += *part;
  }
  return path;
}

std::optional<NodePath> NodeTable::path(NodeId id) const {
  base::MutexLock lock(mutex_);
  auto path = path_locked(id);
  if (!path) return std::nullopt;
  NodePath result{.path = std::move(*path)};
  if (const Node& node = nodes_.at(id); node.links != nullptr) {
    result.parent = node.links->parent;
    result.name = node.links->name();
  }
  return result;
}

std::optional<std::string> NodeTable::child_path(Name name) const {
  base::MutexLock lock(mutex_);
  auto path = path_locked(name.parent);
  if (!path) return std::nullopt;
  if (!path->empty()) *path += '/';
  *path += name.name;
  return path;
}

bool NodeTable::is_known(Name name) const {
  base::MutexLock lock(mutex_);
  const Link* link = link_locked(name);
  const Node* node = link != nullptr ? find_locked(link->node) : nullptr;
  return node != nullptr && node->has_attributes;
}

std::optional<NodeId> NodeTable::child(Name name) const {
  base::MutexLock lock(mutex_);
  const Link* link = link_locked(name);
  if (link == nullptr) return std::nullopt;
  return link->node;
}

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

void NodeTable::names_changed_locked(NodeId parent) {
  const ChangeStamp now = advance_locked();
  if (Node* node = find_locked(parent)) {
    node->doubted_at = now;
    unvalidate(*node, now);
  }
}

void NodeTable::name_added(NodeId parent) {
  base::MutexLock lock(mutex_);
  names_changed_locked(parent);
}

void NodeTable::name_removed(Name name) {
  base::MutexLock lock(mutex_);
  name_removed_locked(name);
}

void NodeTable::name_removed_locked(Name name) {
  names_changed_locked(name.parent);
  const Link* link = link_locked(name);
  if (link == nullptr) return;
  const NodeId id = link->node;
  Node& node = nodes_.at(id);
  drop_link_locked(*link);
  node.attributes.lose_link();
  unvalidate(node, advance_locked());
  // The inode is gone, and its number may come again for another file.
  const bool was_last = node.attributes.type() == S_IFDIR || node.attributes.link_count() == 0;
  if (was_last) drop_key_locked(id, node);
  drop_if_unused_locked(id);
}

void NodeTable::name_moved(Name from, Name to) {
  base::MutexLock lock(mutex_);
  name_removed_locked(to);
  names_changed_locked(from.parent);
  const Link* link = link_locked(from);
  if (link == nullptr || find_locked(to.parent) == nullptr) return;
  const NodeId id = link->node;
  Node& node = nodes_.at(id);
  ++node.lookups;  // held until it has one name again
  add_link_locked(to, id);
  drop_link_locked(*link);
  unvalidate(node, advance_locked());
  --node.lookups;
}

void NodeTable::names_exchanged(Name first, Name second) {
  base::MutexLock lock(mutex_);
  names_changed_locked(first.parent);
  names_changed_locked(second.parent);
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
