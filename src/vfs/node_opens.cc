// SPDX-License-Identifier: Apache-2.0
// NodeTable: what new attributes and opens do to a node: which version the kernel's pages are of, and when a node is retired.
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "arenacache/vfs/node_table.h"

namespace arenacache::vfs {

namespace {

constexpr std::size_t kMostSentAway = 256;

}  // namespace

/// Whether pages of version `a` are pages of version `b`. Stricter than same_data() where ctime can be trusted: what changed
/// in place and had its mtime put back has another ctime, and reading again costs little.
bool NodeTable::same_pages(const origin::Version& a, const origin::Version& b) const {
  return has_ctime_ && stable_inodes_ ? a == b : a.same_data(b);
}

/// Open handles read the version that `attributes` replace, and the file is large enough to be worth a new node.
bool NodeTable::must_retire(const Node& node, const CompactAttributes& attributes) const {
  if (!node.has_version || !node.open || node.open->readers == 0 || node.open->writers > 0) return false;
  return node.attributes.size() > kLargestUnretiredFile && !node.attributes.version().same_data(attributes.version());
}

/// Whether `node` can be the one that is seen with `attributes` now.
bool NodeTable::goes_on_locked(const Node& node, const CompactAttributes& attributes, ChangeStamp asked) const {
  if (node.attributes.type() != attributes.type()) return false;
  if (node.open && node.open->retired) return false;
  return node.changed_at > asked || !must_retire(node, attributes);
}

/// The kernel writes the origin's file by itself: what is known of its size and times is old at once.
bool NodeTable::is_written_unseen(const Node& node) {
  return node.open && node.open->writers > 0 && node.open->way == ReadWay::backed;
}

std::optional<NodeState> NodeTable::state(NodeId id) const {
  base::MutexLock lock(mutex_);
  const Node* node = find_locked(id);
  if (node == nullptr) return std::nullopt;
  NodeState state{.attributes = node->attributes.expanded(), .validated = node->validated};
  state.has_attributes = node->has_attributes;
  state.has_version = node->has_version;
  state.has_name = id == kRootNode || node->links != nullptr;
  if (node->open) {
    state.readers = node->open->readers;
    state.writers = node->open->writers;
    if (is_written_unseen(*node)) state.validated = base::TimePoint::min();
  }
  return state;
}

Seen NodeTable::attributes_seen(NodeId id, const origin::Attributes& attributes, ChangeStamp asked,
                                base::TimePoint now) {
  const CompactAttributes compact(attributes);
  base::MutexLock lock(mutex_);
  Node* node = find_locked(id);
  if (node == nullptr) return Seen::other_file;
  if (node->changed_at > asked) return Seen::kept;
  if (id != kRootNode) {
    if (node->attributes.type() != compact.type()) return Seen::other_file;
    const bool same_inode =
        node->attributes.inode() == compact.inode() && node->attributes.device() == compact.device();
    if (stable_inodes_ && !same_inode) return Seen::other_file;
  }
  if ((node->open && node->open->retired) || must_retire(*node, compact)) {
    node->open->retired = true;
    node->open->newer = compact.version();
    return Seen::kept;
  }
  set_attributes_locked(*node, compact);
  node->validated = node->doubted_at <= asked ? now : base::TimePoint::min();
  doubt_other_names(*node);
  return Seen::taken;
}

void NodeTable::attributes_changed(NodeId id, const origin::Attributes* before, const origin::Attributes& after,
                                   base::TimePoint now) {
  const CompactAttributes compact(after);
  base::MutexLock lock(mutex_);
  Node* node = find_locked(id);
  if (node == nullptr) return;
  if (node->open && node->open->kernel_pages) {
    const origin::Version was = before != nullptr ? CompactAttributes(*before).version() : node->attributes.version();
    if (same_pages(*node->open->kernel_pages, was)) node->open->kernel_pages = compact.version();
  }
  const bool same_inode = node->attributes.inode() == compact.inode() && node->attributes.device() == compact.device();
  if (!same_inode && id != kRootNode) drop_key_locked(id, *node);
  set_attributes_locked(*node, compact);
  node->validated = now;
  node->changed_at = advance_locked();
}

void NodeTable::attributes_unknown(NodeId id) {
  base::MutexLock lock(mutex_);
  if (Node* node = find_locked(id)) unvalidate(*node, advance_locked());
}

OpenDecision NodeTable::open(NodeId id, OpenKind kind, pid_t thread) {
  base::MutexLock lock(mutex_);
  Node* node = find_locked(id);
  if (node == nullptr) return {.answer = OpenDecision::Answer::look_up_again};
  if (!node->open) node->open = std::make_unique<OpenState>();
  OpenState& open = *node->open;
  OpenDecision decision{.version = node->attributes.version()};
  if (open.retired) {
    if (!std::exchange(open.estale_sent, true) && std::ranges::find(sent_away_, thread) == sent_away_.end()) {
      decision.answer = OpenDecision::Answer::look_up_again;
      return decision;
    }
    decision.version = open.newer.value_or(decision.version);
    decision.bypass_pages = true;
  } else if (open.kernel_pages && same_pages(*open.kernel_pages, decision.version)) {
    decision.keep_pages = true;
  } else if (kind == OpenKind::read && open.readers > 0 && open.writers == 0 && open.kernel_pages &&
             !open.kernel_pages->same_data(decision.version)) {
    decision.bypass_pages = true;
  } else {
    open.kernel_pages = decision.version;
  }
  decision.has_writer = open.writers > 0;
  ++(kind == OpenKind::read ? open.readers : open.writers);
  return decision;
}

OpenWay NodeTable::settle(const Opening& opening) {
  base::MutexLock lock(mutex_);
  Node* node = find_locked(opening.node);
  if (node == nullptr || !node->open) return {.answer = OpenWay::Answer::look_up_again};
  OpenState& open = *node->open;
  const OpenWay way = settle_locked(open, opening);
  const auto sent_away = std::ranges::find(sent_away_, opening.thread);
  if (sent_away != sent_away_.end()) {
    sent_away_.erase(sent_away);
    if (records_ != nullptr) records_->forget_sent_away(static_cast<std::uint32_t>(opening.thread));
  }
  if (way.answer != OpenWay::Answer::look_up_again) return way;
  note_sent_away_locked(opening.thread);
  open.retired = true;
  open.estale_sent = true;
  --(opening.kind == OpenKind::read ? open.readers : open.writers);
  drop_if_unused_locked(opening.node);
  return way;
}

bool NodeTable::send_away(pid_t thread) {
  base::MutexLock lock(mutex_);
  if (std::ranges::find(sent_away_, thread) != sent_away_.end()) return false;
  note_sent_away_locked(thread);
  return true;
}

bool NodeTable::was_sent_away(pid_t thread) const {
  base::MutexLock lock(mutex_);
  return std::ranges::find(sent_away_, thread) != sent_away_.end();
}

void NodeTable::note_sent_away(pid_t thread) { static_cast<void>(send_away(thread)); }

void NodeTable::note_sent_away_locked(pid_t thread) {
  sent_away_.push_back(thread);
  if (records_ != nullptr) records_->note_sent_away(static_cast<std::uint32_t>(thread));
  if (sent_away_.size() > kMostSentAway) sent_away_.pop_front();
}

OpenWay NodeTable::settle_locked(OpenState& open, const Opening& opening) {
  using enum OpenWay::Answer;
  const bool was_sent_away = std::ranges::find(sent_away_, opening.thread) != sent_away_.end();
  const bool is_gone = opening.gone != cache::kNoBacking && open.backing == opening.gone;
  switch (open.way == ReadWay::backed && is_gone ? ReadWay::undecided : open.way) {
    case ReadWay::undecided:
      open.way = opening.offer != cache::kNoBacking ? ReadWay::backed : ReadWay::served;
      if (open.way == ReadWay::served) return {.answer = served};
      open.backing = opening.offer;
      open.backing_version = opening.version;
      open.kernel_pages.reset();  // the kernel lets go of them
      return {.answer = backed, .backing = open.backing};
    case ReadWay::served: {
      // What is open goes on as it is; the name gets a node that the kernel reads by itself.
      const bool can_move_on = opening.kind == OpenKind::read && opening.offer != cache::kNoBacking &&
                               open.writers == 0 && !open.retired && !was_sent_away;
      return {.answer = can_move_on ? look_up_again : served};
    }
    case ReadWay::backed: {
      // The file itself, whoever reads or writes it.
      if (cache::is_origin_backing(open.backing)) return {.answer = backed, .backing = open.backing};
      const bool is_reader = opening.kind == OpenKind::read;
      // Evicted and filled again meanwhile, or changed once more: what is open there was the file a moment ago. Who comes by
      // /proc/self/fd finds no other node either.
      const bool has_no_choice = (was_sent_away && opening.may_share) || open.estale_sent;
      const bool can_share = opening.offer == open.backing || has_no_choice;
      if (is_reader && can_share) return {.answer = backed, .backing = open.backing};
      return {.answer = look_up_again};
    }
  }
  return {};
}

unsigned NodeTable::close(NodeId id, OpenKind kind) {
  base::MutexLock lock(mutex_);
  Node* node = find_locked(id);
  if (node == nullptr || !node->open) return 0;
  unsigned& count = kind == OpenKind::read ? node->open->readers : node->open->writers;
  if (count > 0) --count;
  const unsigned left = count;
  if (node->open->readers + node->open->writers == 0) node->open->way = ReadWay::undecided;
  drop_if_unused_locked(id);
  return left;
}

}  // namespace arenacache::vfs
