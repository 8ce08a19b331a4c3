// SPDX-License-Identifier: Apache-2.0
// NodeTable: what new attributes and opens do to a node: which version the kernel's pages are of, and when a node is retired.
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "arenacache/vfs/node_table.h"

namespace arenacache::vfs {

/// Whether pages of version `a` are pages of version `b`. Stricter than same_data() where ctime can be trusted: what changed
/// in place and had its mtime put back has another ctime, and reading again costs little.
bool NodeTable::same_pages(const origin::Version& a, const origin::Version& b) const {
  return has_ctime_ && stable_inodes_ ? a == b : a.same_data(b);
}

/// Open handles read the version that `attributes` replace, and the file is large enough to be worth a new node.
bool NodeTable::must_retire_locked(NodeId id, const Node& node, const CompactAttributes& attributes) const {
  if (!node.has_version || !node.open || node.open->readers == 0 || has_writer_locked(id, *node.open)) return false;
  const bool only_follow = node.open->follows && !node.open->keeps_version;
  if (only_follow) return false;
  return node.attributes.size() > kLargestUnretiredFile && !node.attributes.version().same_data(attributes.version());
}

/// Whether `node` can be the one that is seen with `attributes` now. `has_name`: it is known by the name it is seen at.
bool NodeTable::goes_on_locked(NodeId id, bool has_name, const CompactAttributes& attributes, ChangeStamp asked) const {
  const Node& node = nodes_.at(id);
  if (node.attributes.type() != attributes.type()) return false;
  if (node.open && node.open->retired) return false;
  const bool is_old_news = is_older_than_ours(asked, node);
  if (!has_name && has_number_of_another(node, attributes) && (is_being_read(node) || !is_old_news)) return false;
  return is_old_news || !must_retire_locked(id, node, attributes);
}

/// A file with one name, at which `node` was not known, and with other data that nobody here wrote: the number of one that is gone was
/// given to it. The kernel may still open the old name by the node that it had, and must not get this file.
bool NodeTable::has_number_of_another(const Node& node, const CompactAttributes& attributes) {
  if (attributes.type() != S_IFREG || attributes.link_count() != 1) return false;
  if (node.open && node.open->writers > 0) return false;
  return !node.attributes.version().same_data(attributes.version());
}

bool NodeTable::is_being_read(const Node& node) { return node.open && node.open->readers > 0; }

/// A change through the mount is newer than what the origin was asked for at `asked`. One that is under way is told when it ends;
/// until then nobody knows how much of it an answer has, and another version is no sign that the file changed behind our back.
bool NodeTable::is_older_than_ours(ChangeStamp asked, const Node& node) {
  return node.changed_at > asked || (node.has_attributes && node.open && node.open->changing > 0);
}

bool NodeTable::begin_data_change(NodeId id) {
  base::MutexLock lock(mutex_);
  Node* const node = find_locked(id);
  if (node == nullptr) return false;
  if (!node->open) node->open = std::make_unique<OpenState>();
  ++node->open->changing;
  return true;
}

void NodeTable::end_data_change(NodeId id) {
  base::MutexLock lock(mutex_);
  if (Node* const node = find_locked(id)) --node->open->changing;
}

handover::KernelPages NodeTable::pages_of(const Node& node) const {
  using enum handover::KernelPages;
  if (!node.open) return none;
  // An open has the kernel drop its pages, or let go of them, once it is answered; before that this worker may die.
  const bool may_have_others = node.open->dropping > 0 || node.open->way == ReadWay::backed;
  if (node.open->has_unknown_pages || may_have_others) return unknown;
  if (!node.open->kernel_pages) return none;
  return same_pages(*node.open->kernel_pages, node.attributes.version()) ? current : unknown;
}

void NodeTable::record_pages_locked(const Node& node) {
  if (records_ != nullptr) records_->set_pages(node.record, pages_of(node));
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
  state.kernel_is_behind = node->kernel_is_behind;
  state.has_name = id == kRootNode || node->links != nullptr;
  if (node->open) {
    state.readers = node->open->readers;
    state.writers = node->open->writers;
    state.is_written_here = is_written_here(*node);
    if (is_written_unseen(*node)) state.validated = base::TimePoint::min();
  }
  return state;
}

bool NodeTable::has_name(NodeId id) const {
  base::MutexLock lock(mutex_);
  const Node* const node = find_locked(id);
  return id == kRootNode || (node != nullptr && node->links != nullptr);
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
  if (is_older_than_ours(asked, *node)) return Seen::kept;
  if ((node->open && node->open->retired) || must_retire_locked(id, *node, compact)) {
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
  const auto take = [&](Node& one) AC_REQUIRES(mutex_) {
    set_attributes_locked(one, compact);
    one.acl = AclState::unknown;  // the change time may have stood still
    one.validated = now;
    one.changed_at = advance_locked();
  };
  if (before == nullptr && node->open) node->open->written = compact.version();
  take(*node);
  if (before != nullptr) return;
  for (const NodeId older : served_beside_locked(id)) {
    Node& other = nodes_.at(older);
    other.open->kernel_pages = compact.version();  // once the kernel let go of those that it has
    other.open->written = compact.version();
    take(other);
  }
}

/// The version is what a change of the data through the mount left.
bool NodeTable::is_written_here(const Node& node) {
  return node.has_attributes && node.open && node.open->written &&
         node.open->written->same_data(node.attributes.version());
}

void NodeTable::attributes_unknown(NodeId id) {
  base::MutexLock lock(mutex_);
  if (Node* node = find_locked(id)) {
    unvalidate(*node, advance_locked());
    node->acl = AclState::unknown;
  }
}

void NodeTable::data_unknown(NodeId id) {
  attributes_unknown(id);
  base::MutexLock lock(mutex_);
  Node* node = find_locked(id);
  if (node == nullptr) return;
  node->has_attributes = false;
  if (records_ != nullptr) records_->clear_attributes(node->record);
}

/// Whether an open of a node, whose pages in the kernel may not be those of `version`, or are about to be dropped by others, leaves them
/// alone: somebody reads them, or writes through them, or would while others drop them.
bool NodeTable::must_go_past_pages(const OpenState& open, OpenKind kind, const origin::Version& version) {
  if (open.writers > 0) return true;
  if (kind == OpenKind::write) return open.dropping > 0;
  return open.readers > 0 && open.kernel_pages && !open.kernel_pages->same_data(version);
}

OpenDecision NodeTable::open(NodeId id, OpenKind kind, pid_t thread, bool bypasses) {
  base::MutexLock lock(mutex_);
  Node* node = find_locked(id);
  if (node == nullptr) return {.answer = OpenDecision::Answer::look_up_again};
  if (!node->open) node->open = std::make_unique<OpenState>();
  OpenState& open = *node->open;
  OpenDecision decision{.version = node->attributes.version()};
  if (open.retired) {
    const bool is_sent = std::exchange(open.estale_sent, true);
    // What is written here is not seen by who opens the node that the name is about to get.
    const bool must_go = !is_sent || kind == OpenKind::write;
    if (must_go && !sent_away_.has(thread)) {
      decision.answer = OpenDecision::Answer::look_up_again;
      return decision;
    }
    decision.version = open.newer.value_or(decision.version);
    decision.bypass_pages = true;
  } else if (!open.has_unknown_pages && open.dropping == 0 &&
             (!open.kernel_pages || same_pages(*open.kernel_pages, decision.version))) {
    // Not only for speed: pages are dropped when the opener gets to run. A write that is on its way by then has put its bytes into
    // pages that go, a read fetches the old ones from the origin, and those stay.
    open.kernel_pages = decision.version;
  } else if (must_go_past_pages(open, kind, decision.version)) {
    decision.bypass_pages = true;
  } else {
    open.kernel_pages = decision.version;
    open.has_unknown_pages = false;
    decision.drops_pages = true;
    ++open.dropping;
  }
  decision.keep_pages = !decision.drops_pages;
  decision.bypass_pages = decision.bypass_pages || bypasses;
  record_pages_locked(*node);
  decision.has_writer = is_written_now(open);
  decision.counted_at = ChangeStamp{changes_};
  if (kind == OpenKind::read && !decision.has_writer) open.keeps_version = true;
  if (kind == OpenKind::write && !decision.bypass_pages) open.writes_pages = true;
  ++(kind == OpenKind::read ? open.readers : open.writers);
  return decision;
}

bool NodeTable::is_written_since(NodeId id, const OpenDecision& decision) const {
  base::MutexLock lock(mutex_);
  const Node* const node = find_locked(id);
  if (node == nullptr || !node->open) return false;
  if (is_written_now(*node->open)) return true;
  const bool has_other_data = !node->has_attributes || !node->attributes.version().same_data(decision.version);
  return node->changed_at > decision.counted_at && has_other_data;
}

OpenWay NodeTable::settle(const Opening& opening) {
  base::MutexLock lock(mutex_);
  Node* node = find_locked(opening.node);
  if (node == nullptr || !node->open) return {.answer = OpenWay::Answer::look_up_again};
  OpenState& open = *node->open;
  OpenWay way = settle_locked(open, opening);
  way.drops_pages = opening.drops_pages;
  // The file may have another node by now, which is written unseen.
  way.bypasses_pages = way.answer == OpenWay::Answer::served && open.retired;
  if (way.answer == OpenWay::Answer::backed && !std::exchange(way.drops_pages, true)) ++open.dropping;
  record_pages_locked(*node);
  if (way.answer != OpenWay::Answer::look_up_again) return way;
  sent_away_.add(opening.thread, opening.kind);
  open.retired = true;
  open.estale_sent = true;
  if (opening.drops_pages) end_drop_locked(*node, false);
  uncount(open, opening.kind);
  drop_if_unused_locked(opening.node);
  return way;
}

void NodeTable::note_kernel_behind(NodeId id) {
  base::MutexLock lock(mutex_);
  if (Node* const node = find_locked(id)) node->kernel_is_behind = true;
}

void NodeTable::note_kernel_told(NodeId id) {
  base::MutexLock lock(mutex_);
  if (Node* const node = find_locked(id)) node->kernel_is_behind = false;
}

bool NodeTable::send_away(pid_t thread, OpenKind kind) {
  base::MutexLock lock(mutex_);
  return sent_away_.add(thread, kind);
}

bool NodeTable::was_sent_away(pid_t thread) const {
  base::MutexLock lock(mutex_);
  return sent_away_.has(thread);
}

std::vector<pid_t> NodeTable::readers_sent_away() const {
  base::MutexLock lock(mutex_);
  return sent_away_.readers();
}

void NodeTable::note_sent_away(pid_t thread, OpenKind kind, std::uint64_t request) {
  base::MutexLock lock(mutex_);
  static_cast<void>(sent_away_.add(thread, kind, request));
}

void NodeTable::end_sent_away(pid_t thread, std::uint64_t request) {
  base::MutexLock lock(mutex_);
  sent_away_.end(thread, request);
}

Entry NodeTable::keep_for_writer(Name name, const Entry& found, pid_t thread) {
  base::MutexLock lock(mutex_);
  Node* node = find_locked(found.id);
  if (node == nullptr || node->attributes.type() != S_IFREG || !sent_away_.is_writer(thread)) return found;
  NodeId id = found.id;
  const auto take_current = [&]() AC_REQUIRES(mutex_) {
    const NodeId before = id;
    node = current_locked(name, id);
    give_reference_locked(*node);
    forget_locked(before, 1);
  };
  const Link* link = link_locked(name);
  // Somebody else's lookup gave the name another node in between: the one that was found has none, so it cannot be opened.
  const bool was_overtaken = link != nullptr && link->node != id && key_of(nodes_.at(link->node)) == key_of(*node);
  if (was_overtaken) take_current();
  link = link_locked(name);
  const bool is_backed = node->open && node->open->way == ReadWay::backed;
  // By a reader who was quicker.
  const bool keeps_out = is_backed && (!cache::is_origin_backing(node->open->backing) || is_read_beside_locked(id));
  // A reader was sent away from it: its next lookup would take the name from the writer's node.
  const bool is_left = node->open && node->open->retired && !node->open->newer;
  if ((keeps_out || is_left) && link != nullptr && link->node == id) {
    node->open->retired = true;
    node->open->newer.reset();
    take_current();
  }
  sent_away_.show(thread, id);
  return id == found.id ? found : entry_of(id, *node);
}

/// Somebody has it open for writing, or changes it by its name.
bool NodeTable::is_written_now(const OpenState& open) { return open.writers > 0 || open.changing > 0; }

/// Or comes back to open it for writing.
bool NodeTable::has_writer_locked(NodeId id, const OpenState& open) const {
  return is_written_now(open) || sent_away_.is_shown(id);
}

/// The first open of a node decides. `is_written`: by who opens, or who is on the way, whom a file of the store would keep out.
/// `must_be_seen`: what is written is told others, so the kernel may not do it by itself.
OpenWay NodeTable::begin_way(OpenState& open, const Opening& opening, bool is_written, bool must_be_seen) {
  const bool can_back = !is_written || (cache::is_origin_backing(opening.offer) && !must_be_seen);
  open.way = opening.offer != cache::kNoBacking && can_back ? ReadWay::backed : ReadWay::served;
  if (open.way == ReadWay::served) return {.answer = OpenWay::Answer::served};
  open.backing = opening.offer;
  open.backing_version = opening.version;
  open.kernel_pages.reset();  // the kernel lets go of them
  open.has_unknown_pages = false;
  return {.answer = OpenWay::Answer::backed, .backing = open.backing};
}

/// Beside opens of a file that the kernel reads by itself. `may_stay`: also where that is the origin's own.
OpenWay NodeTable::join_backed(const OpenState& open, const Opening& opening, bool was_sent_away, bool may_stay) {
  const OpenWay joined{.answer = OpenWay::Answer::backed, .backing = open.backing};
  // The file itself, whoever reads or writes it.
  if (cache::is_origin_backing(open.backing) && may_stay) return joined;
  // Evicted and filled again meanwhile, or changed once more: what is open there was the file a moment ago. Who comes by
  // /proc/self/fd finds no other node either. But nobody gets it who was not sent to look for another one.
  const bool has_no_choice = was_sent_away && (opening.may_share || open.estale_sent);
  const bool can_share = opening.kind == OpenKind::read && (opening.offer == open.backing || has_no_choice);
  return can_share ? joined : OpenWay{.answer = OpenWay::Answer::look_up_again};
}

OpenWay NodeTable::settle_locked(OpenState& open, const Opening& opening) {
  using enum OpenWay::Answer;
  const bool was_sent_away = sent_away_.has(opening.thread);
  const bool is_reader = opening.kind == OpenKind::read;
  const bool has_writer = has_writer_locked(opening.node, open);
  const bool is_gone = opening.gone != cache::kNoBacking && open.backing == opening.gone;
  const bool is_written = !is_reader || has_writer;
  const bool must_be_seen = is_written && is_read_beside_locked(opening.node);
  // What is open goes on as it is; the name gets a node whose way is open again.
  const bool can_move_on = is_reader && !has_writer && !open.retired && !was_sent_away;
  switch (open.way == ReadWay::backed && is_gone ? ReadWay::undecided : open.way) {
    case ReadWay::undecided:
      return begin_way(open, opening, is_written, must_be_seen);
    case ReadWay::served:
      // Another open had the kernel let go of them, and was not answered.
      if (!open.kernel_pages) open.kernel_pages = opening.version;
      return {.answer = can_move_on && opening.offer != cache::kNoBacking ? look_up_again : served};
    case ReadWay::backed: {
      const bool may_stay = is_reader ? !(can_move_on && opening.reads_cache) : was_sent_away || !must_be_seen;
      return join_backed(open, opening, was_sent_away, may_stay);
    }
  }
  return {};
}

void NodeTable::pages_dropped(NodeId id) {
  base::MutexLock lock(mutex_);
  if (Node* const node = find_locked(id)) end_drop_locked(*node, true);
}

void NodeTable::pages_not_dropped(NodeId id) {
  base::MutexLock lock(mutex_);
  if (Node* const node = find_locked(id)) end_drop_locked(*node, false);
}

void NodeTable::end_drop_locked(Node& node, bool is_done) {
  if (!node.open || node.open->dropping == 0) return;
  --node.open->dropping;
  if (!is_done) node.open->has_unknown_pages = true;
  record_pages_locked(node);
}

/// Returns how many of `kind` are left.
unsigned NodeTable::uncount(OpenState& open, OpenKind kind) {
  unsigned& count = kind == OpenKind::read ? open.readers : open.writers;
  if (count > 0) --count;
  if (open.writers == 0) open.writes_pages = false;
  return count;
}

unsigned NodeTable::close(NodeId id, OpenKind kind) {
  base::MutexLock lock(mutex_);
  Node* node = find_locked(id);
  if (node == nullptr || !node->open) return 0;
  const unsigned left = uncount(*node->open, kind);
  if (node->open->readers + node->open->writers == 0) {
    node->open->way = ReadWay::undecided;
    node->open->follows = false;
    node->open->keeps_version = false;
  }
  drop_if_unused_locked(id);
  return left;
}

}  // namespace arenacache::vfs
