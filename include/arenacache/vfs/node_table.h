// SPDX-License-Identifier: Apache-2.0
// NodeTable: what the kernel's node numbers mean: names, paths, attributes and opens of one mount.
// Promises: a node id is never used twice; names of one inode share a node where inode numbers are stable; a node stays while
// the kernel refers to it, it is open, or a child of it stays. A path is built from the names, so a folder's rename moves all
// below it at once.
// Owner: Filesystem. Threads: any. Locks: one mutex; nothing is called out of it (no origin, no engine, no kernel).
// Never: asks the origin; it is told what the origin said, and drops what is older than a change through the mount.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/vfs/inode_table.h"
#include "arenacache/vfs/link_table.h"
#include "arenacache/vfs/name_changes.h"
#include "arenacache/vfs/node.h"
#include "arenacache/vfs/sent_away.h"

namespace arenacache::vfs {

/// With handles open, only a node of a larger file is replaced by a new one: locks are held per node, and lock files are small.
inline constexpr std::uint64_t kLargestUnretiredFile = 4ULL << 20U;

/// A node as the kernel may be told of it.
struct Entry {
  NodeId id{};
  origin::Attributes attributes{};
  base::TimePoint validated = base::TimePoint::min();
  bool has_no_acl = false;  ///< known to have none
};

/// A question about a node's access ACL, and what the answer holds for.
struct AclQuestion {
  NodeId node{};
  ChangeStamp asked{};
  std::int64_t change_ns = 0;  ///< the node's change time, as it was known
};

/// What a listing says of a name.
struct ListedAttributes {
  origin::Attributes attributes{};
  base::TimePoint validated = base::TimePoint::min();
  ChangeStamp asked{};
};

struct NodePath {
  std::string path{};  ///< relative to the source
  NodeId parent{};
  std::string name{};
};

/// A copy of a node's state.
struct NodeState {
  origin::Attributes attributes{};
  base::TimePoint validated = base::TimePoint::min();
  bool has_attributes = false;
  bool has_version = false;  ///< size and mtime among them are what the kernel was told
  /// A change through the mount left the version: the kernel may hear of its size only now.
  bool is_written_here = false;
  bool has_name = false;
  bool kernel_is_behind = false;  ///< note_kernel_behind(), and no answer with its attributes since
  unsigned readers = 0;
  unsigned writers = 0;
};

/// What became of attributes that the origin gave for a node.
enum class Seen : std::uint8_t {
  taken,  ///< the node has them now
  kept,  ///< the node keeps what it had: a change through the mount is newer, or open handles hold the old version
  other_file,  ///< they are another file's: the name the node had is not its name any more
};

/// How an open is answered.
struct OpenDecision {
  enum class Answer : std::uint8_t { serve, look_up_again };
  Answer answer = Answer::serve;
  origin::Version version{};  ///< to be opened
  bool keep_pages = false;  ///< the kernel's pages stay: they are of this version, or the open goes past them
  bool bypass_pages = false;  ///< the kernel's pages may be of another version, and are not this open's to drop
  /// The kernel drops its pages when the opener gets to run: pages_dropped() is to be called when it did, or the open is over;
  /// pages_not_dropped() if it was not answered.
  bool drops_pages = false;
  bool has_writer = false;
  ChangeStamp counted_at{};  ///< for is_written_since()
};

/// An open that was counted and waits for its way to be decided.
struct Opening {
  NodeId node{};
  OpenKind kind = OpenKind::read;
  pid_t thread = 0;  ///< who opens
  origin::Version version{};  ///< what it was decided to open
  /// The file that the kernel could read for it, or write, then the origin's own only.
  cache::BackingKey offer = cache::kNoBacking;
  /// A file that the node was read from and nobody has open any more; kNoBacking: not known of one.
  cache::BackingKey gone = cache::kNoBacking;
  bool drops_pages = false;  ///< as decided
  bool reads_cache = false;  ///< it is not to read the origin's own file only because others still do
  bool may_share = true;  ///< what other opens read is as good as the offer, if it is of the same version
};

/// What an open is answered by.
struct OpenWay {
  enum class Answer : std::uint8_t {
    served,  ///< the daemon
    backed,  ///< the file `backing`: the one offered, or the one that the node's other opens have
    look_up_again,  ///< nothing: the name's next lookup gives a node that can be opened. Not counted any more
  };
  Answer answer = Answer::served;
  cache::BackingKey backing = cache::kNoBacking;
  bool drops_pages = false;  ///< as OpenDecision's: what the kernel reads by itself has no pages of the node
  bool bypasses_pages = false;  ///< also where that was not decided before
};

class NodeTable {
 public:
  /// `records` outlives the table: what the next worker will know of it. Null: nothing is recorded.
  explicit NodeTable(const origin::Fidelity& fidelity, handover::Records* records = nullptr);

  // Taking over what an earlier worker had (node_adoption.cc), before anything else: nodes and names, then each open, then the end.
  /// `unanswered`: the requests that it left.
  void adopt(const handover::Records::Left& left, const std::set<std::uint64_t>& unanswered = {});
  /// An open that the kernel has. `bypasses`: its reads are not the kernel's pages.
  struct AdoptedOpen {
    NodeId node{};
    OpenKind kind = OpenKind::read;
    origin::Version version{};
    cache::BackingKey backing = cache::kNoBacking;
    bool bypasses = false;
    bool follows = false;  ///< it reads what the file has, whichever version that is
    bool drops_pages = false;  ///< pages_dropped() was not called for it
  };
  /// False: there is no such node.
  bool adopt_open(const AdoptedOpen& open);
  /// A node without a name that nobody has open is the file with `attributes` from now on, and known by no name. False: it is not such a
  /// node. The kernel is to let go of what it knows of it.
  [[nodiscard]] bool becomes(NodeId id, const origin::Attributes& attributes, base::TimePoint now);
  /// Where the node was when it lost a name to another file not long ago.
  [[nodiscard]] std::optional<std::string> lost_path(NodeId id) const;
  /// The node, and older ones of its inode that lost their names to it and are still open.
  [[nodiscard]] std::vector<NodeId> incarnations(NodeId id) const;
  /// Whose pages the kernel does not change by a write to the node: its file's other nodes, at the version that the current one began
  /// with or with opens that follow its writers, that are read through the kernel's pages, and written through them by nobody; and the
  /// node itself if that goes for it. `past_pages`: the write goes past the node's pages, whoever else writes through them.
  [[nodiscard]] std::vector<NodeId> served_beside(NodeId id, bool past_pages = false) const;
  /// `id`, or, where it has no name, the node that has those of its file by now.
  [[nodiscard]] NodeId with_name_of(NodeId id) const;
  /// The path of another node of the same inode: one that took over this one's name. With `version`, only of one at that; else
  /// nothing if the inode's last name went, as its number may have come again. Walks all nodes.
  [[nodiscard]] std::optional<std::string> path_of_twin(NodeId id, const std::optional<origin::Version>& version) const;
  /// Nodes that nothing refers to go.
  void end_adoption();

  /// Take one before the origin is asked, and hand it in with the answer.
  [[nodiscard]] ChangeStamp stamp() const;

  // Names. Each Entry returned counts as one lookup by the kernel: forget() it if the kernel never got it.
  /// The name's node, if the origin confirmed its attributes after `since`.
  std::optional<Entry> fresh_entry(Name name, base::TimePoint since);
  /// The name's node, however old its attributes are.
  std::optional<Entry> known_entry(Name name);
  /// The origin has `name` with `attributes`. Nothing: the answer is older than a change of that name, or of the
  /// file that left attributes nobody knows.
  std::optional<Entry> entry_seen(Name name, const origin::Attributes& attributes, ChangeStamp asked,
                                  base::TimePoint now);
  /// A listing has `name`, with what the origin said some time ago; what the table knows better stays. Nothing: the origin must
  /// be asked.
  std::optional<Entry> entry_listed(Name name, const ListedAttributes& listed);
  /// Whether fresh_entry() would find one.
  [[nodiscard]] bool is_fresh(Name name, base::TimePoint since) const;
  /// The origin does not have `name`. False: the answer is older than a change of that name, and was dropped.
  bool name_missing(Name name, ChangeStamp asked);
  void forget(NodeId id, std::uint64_t lookups);

  // Paths. Nothing: the node is gone, or it or a folder above has no name.
  [[nodiscard]] std::optional<NodePath> path(NodeId id) const;
  [[nodiscard]] std::optional<std::string> child_path(Name name) const;
  [[nodiscard]] std::optional<NodeId> child(Name name) const;
  /// Whether known_entry() would find one.
  [[nodiscard]] bool is_known(Name name) const;

  /// The node at `path`, if every name on the way is known.
  [[nodiscard]] std::optional<NodeId> find(std::string_view path) const;
  /// The folder's names changed after `asked`, or it is gone.
  [[nodiscard]] bool names_changed_since(NodeId id, ChangeStamp asked) const;

  // Attributes.
  [[nodiscard]] std::optional<NodeState> state(NodeId id) const;
  [[nodiscard]] bool has_name(NodeId id) const;
  Seen attributes_seen(NodeId id, const origin::Attributes& attributes, ChangeStamp asked, base::TimePoint now);
  /// A change through the mount left `after`. With `before`, the data is as it was; without, the kernel's pages moved along.
  void attributes_changed(NodeId id, const origin::Attributes* before, const origin::Attributes& after,
                          base::TimePoint now);
  /// A change of the data through the mount begins; what the origin says of the node until it has ended may be of half of it, and
  /// is not taken, and who opens it to read is to know of a writer. False: there is no such node, so that nothing is to be ended.
  [[nodiscard]] bool begin_data_change(NodeId id);
  /// After attributes_changed() or data_unknown().
  void end_data_change(NodeId id);
  /// A change through the mount left attributes nobody knows.
  void attributes_unknown(NodeId id);
  /// The same of a change of data: nobody is served by the version that was known, however slow the origin is; nor by the next worker.
  void data_unknown(NodeId id);

  // Access ACLs (node_acls.cc). What the origin said of one holds until the node's change time moves, or a change through the mount.
  /// Take one before the origin is asked, and hand it in with the answer.
  [[nodiscard]] AclQuestion acl_question(NodeId id) const;
  /// The origin's answer; empty: there is none. Not taken if the node changed meanwhile.
  void acl_seen(const AclQuestion& question, std::string acl);
  /// The node's file system has no ACLs at all.
  void acls_unsupported(const AclQuestion& question);
  /// As it was said last; empty: there is none. Nothing: not known.
  [[nodiscard]] std::optional<std::string> acl(NodeId id) const;
  /// Of the node and the folders above those whose ACL is not known and may be asked for by the kernel. They count as asked for
  /// until acl_seen() or acls_not_told().
  [[nodiscard]] std::vector<NodeId> take_unknown_acls(NodeId id);
  /// The origin did not say: they may be asked for again.
  void acls_not_told(const std::vector<NodeId>& ids);

  // Changed behind our back: what was said before is old, and what was asked before is not believed. The stamp is of the doubt.
  ChangeStamp name_doubted(Name name);
  ChangeStamp attributes_doubted(NodeId id);
  /// `top` and all below it, which is returned.
  std::vector<NodeId> tree_doubted(NodeId top);

  // Names changed through the mount.
  void name_added(Name name);
  void name_removed(Name name);
  /// `to`'s node, if there is one, loses that name.
  void name_moved(Name from, Name to);
  void names_exchanged(Name first, Name second);

  // Opens.
  /// `bypasses`: it goes past the kernel's pages in any case.
  OpenDecision open(NodeId id, OpenKind kind, pid_t thread = 0, bool bypasses = false);
  /// Somebody writes the node, or has written it since `decision` was made: another version than that one is there, or is about to be.
  [[nodiscard]] bool is_written_since(NodeId id, const OpenDecision& decision) const;
  /// Decides the way of an open that open() counted.
  OpenWay settle(const Opening& opening);
  /// The kernel believes another size or version of the node than it has, until it is answered with its attributes.
  void note_kernel_behind(NodeId id);
  /// By other than an Entry.
  void note_kernel_told(NodeId id);
  /// An open of `thread` that was not counted is to be answered with ESTALE. False: its last one was; the kernel comes again
  /// once, so this one must be answered.
  [[nodiscard]] bool send_away(pid_t thread, OpenKind kind);
  /// `request`, an open of `thread`, is about to be answered ESTALE: the kernel looks the name up again, this once.
  void note_sent_away(pid_t thread, OpenKind kind, std::uint64_t request);
  [[nodiscard]] bool was_sent_away(pid_t thread) const;
  /// The threads that come back to read.
  [[nodiscard]] std::vector<pid_t> readers_sent_away() const;
  /// `request`, an open of `thread`, is about to be answered otherwise.
  void end_sent_away(pid_t thread, std::uint64_t request);
  /// `thread` looked `name` up, which found `found`. If it was sent away to come back and write, what is returned is a node that it
  /// can open, and no reader makes the kernel read it by itself before that. Counts as `found` did.
  [[nodiscard]] Entry keep_for_writer(Name name, const Entry& found, pid_t thread);
  /// The opener of one that drops pages has run since, or it is not open any more.
  void pages_dropped(NodeId id);
  /// One that was to drop pages was never answered, or otherwise.
  void pages_not_dropped(NodeId id);
  /// Returns how many of `kind` are still open.
  unsigned close(NodeId id, OpenKind kind);

  [[nodiscard]] std::size_t size() const;
  /// Aborts if an index disagrees with the nodes. For tests.
  void check_invariants() const;

 private:
  const Node* find_locked(NodeId id) const AC_REQUIRES(mutex_);
  Node* find_locked(NodeId id) AC_REQUIRES(mutex_);
  const Link* link_locked(Name name) const AC_REQUIRES(mutex_);
  static InodeKey key_of(const Node& node) { return {node.attributes.device(), node.attributes.inode()}; }
  /// For InodeTable; lives as long as nodes_ is locked.
  struct KeyOfNode {
    const std::unordered_map<NodeId, Node>& nodes;
    InodeKey operator()(NodeId id) const {
      const auto found = nodes.find(id);
      return found != nodes.end() ? key_of(found->second) : InodeKey{};
    }
  };
  ChangeStamp advance_locked() AC_REQUIRES(mutex_);
  /// The kernel is about to be given one more reference.
  void give_reference_locked(Node& node) AC_REQUIRES(mutex_);
  void set_attributes_locked(Node& node, const CompactAttributes& attributes) AC_REQUIRES(mutex_);
  /// The next worker knows what this one does.
  void record_attributes_locked(const Node& node) AC_REQUIRES(mutex_);
  void record_pages_locked(const Node& node) AC_REQUIRES(mutex_);
  handover::KernelPages pages_of(const Node& node) const;
  void adopt_data_locked(Node& node, const handover::NodeRecord& record) AC_REQUIRES(mutex_);
  void put_key_locked(NodeId id, Node& node) AC_REQUIRES(mutex_);
  const Link* insert_link_locked(Name name, NodeId id) AC_REQUIRES(mutex_);
  void erase_link_locked(const Link& link) AC_REQUIRES(mutex_);

  NodeId node_for_locked(Name name, const CompactAttributes& attributes, ChangeStamp asked) AC_REQUIRES(mutex_);
  NodeId candidate_locked(const Link* link, const CompactAttributes& attributes) const AC_REQUIRES(mutex_);
  bool goes_on_locked(NodeId id, bool has_name, const CompactAttributes& attributes, ChangeStamp asked) const
      AC_REQUIRES(mutex_);
  static bool has_number_of_another(const Node& node, const CompactAttributes& attributes);
  static bool is_being_read(const Node& node);
  static bool is_written_unseen(const Node& node);
  static bool is_older_than_ours(ChangeStamp asked, const Node& node);
  bool must_retire_locked(NodeId id, const Node& node, const CompactAttributes& attributes) const AC_REQUIRES(mutex_);
  static bool must_go_past_pages(const OpenState& open, OpenKind kind, const origin::Version& version);
  bool same_pages(const origin::Version& a, const origin::Version& b) const;
  bool is_at_or_above_locked(NodeId upper, NodeId lower) const AC_REQUIRES(mutex_);
  NodeId make_node_locked(const CompactAttributes& attributes) AC_REQUIRES(mutex_);
  void add_link_locked(Name name, NodeId id) AC_REQUIRES(mutex_);
  void drop_link_locked(const Link& link) AC_REQUIRES(mutex_);
  void lose_link_locked(const Link& link) AC_REQUIRES(mutex_);
  void note_lost_name_locked(const Link& link) AC_REQUIRES(mutex_);
  void adopt_lost_names_locked(const handover::Records::Left& left) AC_REQUIRES(mutex_);
  static void unchain(Node& node, const Link& link);
  // When a file gets another node (node_successors.cc).
  NodeId succeed_locked(NodeId id, const Link* link, const CompactAttributes& attributes) AC_REQUIRES(mutex_);
  void note_successor_locked(NodeId id, NodeId successor) AC_REQUIRES(mutex_);
  void pass_link_locked(const Link& link, NodeId to) AC_REQUIRES(mutex_);
  void detach_locked(NodeId id) AC_REQUIRES(mutex_);
  void note_nameless_locked(NodeId id) AC_REQUIRES(mutex_);
  std::vector<NodeId> served_beside_locked(NodeId id, bool past_pages = false) const AC_REQUIRES(mutex_);
  void note_inode_gone_locked(NodeId id) AC_REQUIRES(mutex_);
  void give_names_back_locked(NodeId id) AC_REQUIRES(mutex_);
  Node* current_locked(Name name, NodeId& id) AC_REQUIRES(mutex_);
  static bool is_written_here(const Node& node);
  static bool is_written_now(const OpenState& open);
  bool has_writer_locked(NodeId id, const OpenState& open) const AC_REQUIRES(mutex_);
  void end_drop_locked(Node& node, bool is_done) AC_REQUIRES(mutex_);
  static unsigned uncount(OpenState& open, OpenKind kind);
  void forget_locked(NodeId id, std::uint64_t lookups) AC_REQUIRES(mutex_);
  static OpenWay begin_way(OpenState& open, const Opening& opening, bool is_written, bool must_be_seen);
  static OpenWay join_backed(const OpenState& open, const Opening& opening, bool was_sent_away, bool may_stay);
  /// Somebody reads an older node of the file, which has pages of its own.
  bool is_read_beside_locked(NodeId id) const AC_REQUIRES(mutex_) { return !served_beside_locked(id).empty(); }
  OpenWay settle_locked(OpenState& open, const Opening& opening) AC_REQUIRES(mutex_);
  void drop_key_locked(NodeId id, const Node& node) AC_REQUIRES(mutex_);
  void drop_if_unused_locked(NodeId id) AC_REQUIRES(mutex_);
  void name_changed_locked(Name name) AC_REQUIRES(mutex_);
  void name_removed_locked(Name name) AC_REQUIRES(mutex_);
  static void doubt_other_names(Node& node);
  static void doubt_locked(Node& node, ChangeStamp now);
  static void unvalidate(Node& node, ChangeStamp now) {
    node.changed_at = now;
    node.validated = base::TimePoint::min();
  }
  Entry entry_of(NodeId id, const Node& node) const AC_REQUIRES(mutex_) {
    return {id, node.attributes.expanded(), node.validated, has_no_acl_locked(node)};
  }
  bool has_no_acl_locked(const Node& node) const AC_REQUIRES(mutex_);
  std::optional<std::string> acl_locked(NodeId id) const AC_REQUIRES(mutex_);
  void put_acl_locked(NodeId id, std::string acl) AC_REQUIRES(mutex_);
  std::optional<std::string> path_locked(NodeId id) const AC_REQUIRES(mutex_);

  const bool stable_inodes_;
  const bool has_ctime_;
  handover::Records* const records_;  ///< may be null

  mutable base::Mutex mutex_;
  std::unordered_map<NodeId, Node> nodes_ AC_GUARDED_BY(mutex_);
  LinkTable links_ AC_GUARDED_BY(mutex_);
  InodeTable by_inode_ AC_GUARDED_BY(mutex_);  ///< empty where inodes are not stable
  std::uint64_t next_id_ AC_GUARDED_BY(mutex_) = 2;
  std::uint64_t changes_ AC_GUARDED_BY(mutex_) = 0;
  NameChanges name_changes_ AC_GUARDED_BY(mutex_);
  SentAway sent_away_ AC_GUARDED_BY(mutex_);
  struct LostName {
    NodeId node{};
    NodeId parent{};
    std::string name;
    handover::RecordId record = handover::kNoRecord;
  };
  static constexpr std::size_t kMostLostNames = 64;
  std::deque<LostName> lost_names_ AC_GUARDED_BY(mutex_);  ///< the oldest first
  std::unordered_set<NodeId> nameless_ AC_GUARDED_BY(mutex_);  ///< nodes that lost their last name while they were open
  /// Of nodes whose state is `kept`; few files have one. May have more: what a node had before it changed.
  std::unordered_map<NodeId, std::string> acls_ AC_GUARDED_BY(mutex_);
  std::unordered_set<std::uint64_t> devices_without_acls_ AC_GUARDED_BY(mutex_);
};

}  // namespace arenacache::vfs
