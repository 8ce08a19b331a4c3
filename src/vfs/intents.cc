// SPDX-License-Identifier: Apache-2.0
#include "intents.h"

#include <sys/stat.h>

#include <cerrno>
#include <optional>

#include "node_times.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

/// A name is about to be made.
struct NewName {
  NamedInode before;
};

/// What has the name now, if an earlier worker began when it was free; else notes what has it.
base::Result<std::optional<origin::Attributes>> made_since(Filesystem& fs, origin::Origin& origin, const Reply& reply,
                                                           Name name) {
  AC_ASSIGN(const std::string path, path_of(fs, name));
  const auto there = origin.stat(path);
  if (!there && there.error().errno_value != ENOENT) return std::unexpected(there.error());
  const auto earlier = reply.earlier<NewName>();
  if (earlier && !earlier->before.is_there && there) return std::optional(*there);
  if (!earlier) reply.intend(NewName{.before = there ? inode_of(*there) : NamedInode{}});
  return std::optional<origin::Attributes>();
}

}  // namespace

NamedInode inode_of(const origin::Attributes& attributes) {
  NamedInode named{
      .is_there = true, .type = attributes.st_mode & S_IFMT, .device = attributes.st_dev, .inode = attributes.st_ino};
  if (S_ISREG(attributes.st_mode)) {
    named.size = static_cast<std::uint64_t>(attributes.st_size);
    named.mtime_ns = to_ns(attributes.st_mtim);
  }
  return named;
}

bool are_one_inode(const NamedInode& one, const NamedInode& other) {
  if (!one.is_there || !other.is_there) return one.is_there == other.is_there;
  return one.type == other.type && one.device == other.device && one.inode == other.inode;
}

bool are_same(const origin::Fidelity& fidelity, const NamedInode& one, const NamedInode& other) {
  if (fidelity.stable_inodes || !one.is_there || !other.is_there) return are_one_inode(one, other);
  return one.type == other.type && one.size == other.size && one.mtime_ns == other.mtime_ns;
}

base::Result<NamedInode> inode_at(origin::Origin& origin, const std::string& path) {
  const auto there = origin.stat(path);
  if (there) return inode_of(*there);
  if (there.error().errno_value == ENOENT) return NamedInode{};
  return std::unexpected(there.error());
}

base::Result<bool> was_made_before(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name, mode_t type) {
  AC_ASSIGN(const auto made, made_since(fs, origin, reply, name));
  if (!made || (made->st_mode & S_IFMT) != (type & S_IFMT)) return false;
  // Servers map owners, and a FAT has one for all.
  const bool has_owners = fs.fidelity().stable_inodes && !fs.fidelity().is_network;
  if (has_owners && made->st_uid != reply.requester().uid) return false;
  // Somebody else's may be there by now; then the ordinary call says so.
  return !S_ISREG(type) || (made->st_nlink == 1 && made->st_size == 0);
}

base::Result<bool> was_linked_before(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name,
                                     const NamedInode& file) {
  AC_ASSIGN(const auto made, made_since(fs, origin, reply, name));
  return made && are_same(fs.fidelity(), inode_of(*made), file);
}

}  // namespace arenacache::vfs
