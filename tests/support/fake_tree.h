// SPDX-License-Identifier: Apache-2.0
// FakeTree: a folder tree in memory with the rules of a Linux file system (errnos, link counts, what moves which time).
// Threads: none of its own, no locks: the owner (FakeOrigin) guards it. Permissions are not checked.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/origin/origin.h"

namespace arenacache::test {

struct FakeNode {
  origin::Attributes attributes{};  ///< st_size and st_blocks are made from `data` by attributes_of()
  std::string data;  ///< of a file; the target of a symlink
  std::map<std::string, std::shared_ptr<FakeNode>> children;
  std::map<std::string, std::string> xattrs;
  base::UniqueFd token;  ///< what a descriptor of the file is a copy of; not open: none was asked for

  [[nodiscard]] bool is_directory() const;
  [[nodiscard]] bool is_file() const;
  [[nodiscard]] bool is_symlink() const;
};
using FakeNodePtr = std::shared_ptr<FakeNode>;

[[nodiscard]] origin::Attributes attributes_of(const FakeNode& node);
[[nodiscard]] std::unexpected<base::Error> tree_error(int errno_value, std::string_view deed);

class FakeTree {
 public:
  /// `now` gives the time that changes are stamped with; `has_ctime` false: ctime shows mtime, as sshfs does.
  FakeTree(std::function<timespec()> now, std::function<bool()> has_ctime);

  base::Result<FakeNodePtr> find(const std::string& path) const;
  /// Adds a new node of `mode` (type and permissions) that belongs to uid and gid.
  base::Result<FakeNodePtr> add(const std::string& path, mode_t mode, uid_t uid, gid_t gid);
  base::Result<void> link(const std::string& existing, const std::string& path);
  base::Result<void> unlink(const std::string& path);
  base::Result<void> remove_directory(const std::string& path);
  base::Result<void> rename(const std::string& from, const std::string& to, unsigned flags);
  base::Result<void> change(FakeNode& node, const origin::AttributeChange& change);
  /// Stamps a change of data (mtime, ctime) or of attributes alone (ctime).
  void touch_data(FakeNode& node) const;
  void touch_attributes(FakeNode& node) const;

 private:
  struct Place {
    FakeNodePtr directory;
    std::string name;
    [[nodiscard]] FakeNodePtr node() const;
  };
  base::Result<Place> find_place(const std::string& path) const;
  void drop_name(const Place& place);
  /// 0, or the errno that forbids a rename of `moved` over `before`.
  static int refusal(const FakeNode& moved, const FakeNode* before, unsigned flags);
  /// Puts `node` at `place`, whatever was there, and counts a folder's link.
  static void put_at(const Place& place, const FakeNodePtr& node);
  static void take_from(const Place& place);

  std::function<timespec()> now_;
  std::function<bool()> has_ctime_;
  std::uint64_t next_inode_ = 2;
  FakeNodePtr root_;
};

}  // namespace arenacache::test
