// SPDX-License-Identifier: Apache-2.0
// What operations note before they change the origin, and how the next worker tells whether the change was made: it looks, and
// does what is not done yet. (Writes at a place, attributes, syncs and punching are simply done again: nobody was told of them.)
// An origin that cannot be asked is an error, never an answer. Threads: the origin's. Locks: none.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

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
/// What the origin has at `path` now.
[[nodiscard]] base::Result<NamedInode> inode_at(origin::Origin& origin, const std::string& path);

/// The name is about to be made: looks whether it is free, and notes it. True: it was free when an earlier worker began, and has now
/// what that one was to make: of this `type`, the requester's own, with nothing in it yet.
[[nodiscard]] base::Result<bool> was_made_before(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name,
                                                 mode_t type);
/// The same for another name of a file that is there.
[[nodiscard]] base::Result<bool> was_linked_before(Filesystem& fs, origin::Origin& origin, const Reply& reply,
                                                   Name name, const NamedInode& file);

}  // namespace arenacache::vfs
