// SPDX-License-Identifier: Apache-2.0
// What operations note before they change the origin, and how the next worker tells whether the change was made: it looks, and
// does what is not done yet. (Writes at a place, attributes, syncs and punching are simply done again: nobody was told of them.)
// Threads: the origin's. Locks: none.
#pragma once

#include <cstdint>
#include <optional>

#include "filesystem.h"
#include "fuse_reply.h"

namespace arenacache::vfs {

/// Which file had a name; nobody: it was free.
struct NamedInode {
  bool is_there = false;
  std::uint32_t type = 0;
  std::uint64_t device = 0, inode = 0;
  friend bool operator==(const NamedInode&, const NamedInode&) = default;
};
[[nodiscard]] NamedInode inode_of(const origin::Attributes& attributes);
/// What the origin has at `path` now. An origin that cannot be asked: nothing.
[[nodiscard]] NamedInode inode_at(origin::Origin& origin, const std::string& path);

/// A name is about to be made.
struct NewName {
  NamedInode before;
};
/// Looks whether the name is free and notes it; does nothing where an earlier worker did.
[[nodiscard]] base::Result<void> note_free_name(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name);
/// The name was free when an earlier worker began, and is there now.
[[nodiscard]] bool was_made_before(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name);

}  // namespace arenacache::vfs
