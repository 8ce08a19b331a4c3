// SPDX-License-Identifier: Apache-2.0
// Node: one file, folder or symlink as the kernel knows it by a number; Link: one of its names. Plain records of NodeTable,
// which owns and guards them. Kept small: a tree of 100,000 names is 100,000 of each.
// Threads: under NodeTable's lock. Never: a pointer as a node's number: it must mean the same to another process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "arenacache/base/clock.h"
#include "arenacache/cache/types.h"
#include "arenacache/handover/records.h"
#include "arenacache/origin/origin.h"

namespace arenacache::vfs {

enum class NodeId : std::uint64_t {};
inline constexpr NodeId kNoNode{0};
inline constexpr NodeId kRootNode{1};

/// A moment in the order of the changes made through this mount. What the origin was asked at an earlier stamp than a node's
/// last change says nothing about the node as it is now.
enum class ChangeStamp : std::uint64_t {};

/// One name in one folder.
struct Name {
  NodeId parent{};
  std::string_view name;
};

/// A Name that owns its bytes, to be kept while the origin is asked.
struct OwnedName {
  NodeId parent{};
  std::string name;
  [[nodiscard]] Name view() const { return {parent, name}; }
};

/// stat(2)'s answer without its padding and its device of the mount.
class CompactAttributes {
 public:
  CompactAttributes() = default;
  explicit CompactAttributes(const origin::Attributes& full);
  explicit CompactAttributes(const handover::NodeAttributes& recorded) : is_(recorded) {}
  [[nodiscard]] const handover::NodeAttributes& recorded() const { return is_; }
  [[nodiscard]] origin::Attributes expanded() const;
  [[nodiscard]] origin::Version version() const;
  [[nodiscard]] mode_t type() const { return is_.mode & S_IFMT; }
  [[nodiscard]] std::uint64_t device() const { return is_.device; }
  [[nodiscard]] std::uint64_t inode() const { return is_.inode; }
  [[nodiscard]] std::uint64_t size() const { return is_.size; }
  [[nodiscard]] std::uint32_t link_count() const { return is_.link_count; }
  void lose_link() { is_.link_count -= is_.link_count > 0 ? 1 : 0; }

 private:
  handover::NodeAttributes is_;
};

/// How the kernel gets at the bytes of a node that is open: it asks the daemon and keeps pages, or it reads a backing file. One
/// way at a time: it refuses an open that would mix them.
enum class ReadWay : std::uint8_t { undecided, served, backed };

/// What opens of a node must know of each other. Made at the first open; stays, for the pages the kernel may still hold.
struct OpenState {
  unsigned readers = 0;
  unsigned writers = 0;
  bool writes_pages = false;  ///< somebody wrote through the kernel's pages since the node had no writer
  std::optional<origin::Version> kernel_pages;  ///< the version the kernel's page cache may hold pages of
  bool has_unknown_pages = false;  ///< it may hold pages of any other
  unsigned dropping = 0;  ///< opens that drop pages, whose openers may not have run since
  std::optional<origin::Version> written;  ///< what the last change of the data through the mount left
  unsigned changing = 0;  ///< changes of the data through the mount that have begun and not ended
  std::optional<origin::Version> newer;  ///< set when retired for a version that replaced this one behind our back
  ReadWay way = ReadWay::undecided;
  cache::BackingKey backing = cache::kNoBacking;  ///< of the way `backed`
  origin::Version backing_version{};
  bool retired = false;  ///< the name's next LOOKUP gets another node
  NodeId successor =
      kNoNode;  ///< which has its names now and is of the same version, or followed: what is written there is written here
  bool follows = false;  ///< opens that an earlier worker left read what the file has, whichever version that is
  bool keeps_version = false;  ///< others read one version
  bool estale_sent = false;  ///< an OPEN was sent away since a name last went; a second one is answered
};

/// Lies in memory with its name behind it: made by LinkTable only.
struct Link {
  mutable NodeId node{};
  NodeId parent{};
  mutable const Link* next = nullptr;  ///< the node's next name; the first one was confirmed last
  Link* bucket_next = nullptr;  ///< LinkTable's
  std::uint32_t hash = 0;
  mutable handover::RecordId record = handover::kNoRecord;
  std::uint16_t name_length = 0;
  mutable bool is_doubted = false;  ///< the node may be fresh, but whether this is still its name must be asked
  [[nodiscard]] std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), name_length}; }
};

/// What is known of a node's access ACL.
enum class AclState : std::uint8_t {
  unknown,
  asked,  ///< unknown, and the origin is being asked
  none,
  kept,  ///< NodeTable has its bytes
};

struct Node {
  CompactAttributes attributes;
  base::TimePoint validated = base::TimePoint::min();  ///< when the origin last said so; min: must be asked
  ChangeStamp changed_at{};  ///< of its data or attributes
  /// When what the origin had said was last in doubt: a change of the names in it (folders), or one behind our back.
  ChangeStamp doubted_at{};
  std::uint64_t lookups = 0;  ///< the kernel's references
  const Link* links = nullptr;
  std::unique_ptr<OpenState> open;
  handover::RecordId record = handover::kNoRecord;
  std::uint32_t children : 27 = 0;
  AclState acl : 2 = AclState::unknown;
  bool has_attributes : 1 = false;  ///< all of them; else what follows is all that is known
  bool has_version : 1 = false;  ///< type, inode, size and mtime
  bool kernel_is_behind : 1 = false;  ///< it was told another size or version, and nothing since
};

}  // namespace arenacache::vfs
