// SPDX-License-Identifier: Apache-2.0
// What operations note before they change the origin, and how the next worker tells whether the change was made: it looks, and
// does what is not done yet. (Writes at a place, attributes, syncs and punching are simply done again: nobody was told of them.)
// An origin that cannot be asked is an error, never an answer. Threads: the origin's. Locks: none.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "filesystem.h"
#include "fuse_reply.h"

namespace arenacache::vfs {

/// Which file had a name; nobody: it was free.
struct NamedInode {
  bool is_there = false;
  std::uint32_t type = 0;
  std::uint64_t device = 0, inode = 0;
  std::uint64_t size = 0;  ///< of a regular file, as its mtime
  std::int64_t mtime_ns = 0;
};
[[nodiscard]] NamedInode inode_of(const origin::Attributes& attributes);
/// Whether both have the same number, or both are nobody.
[[nodiscard]] bool are_one_inode(const NamedInode& one, const NamedInode& other);
/// Whether both are the same file, or both nobody. Where inode numbers may change while nobody looks, what looks alike is the same.
[[nodiscard]] bool are_same(const origin::Fidelity& fidelity, const NamedInode& one, const NamedInode& other);
/// Runs a change of names. The origin may have executed the call of a worker that died after this one had asked whether it did: a
/// server does what it was sent, and the kernel ends a system call later than the process. Then the change fails as one that is
/// done already, or names are looked up while they change (ESTALE, at which the kernel would begin anew); `run`, which finds out, runs
/// again, three times in all. `was_begun_before`: an earlier worker may have made the call.
template <class Run>
auto despite_the_late(bool was_begun_before, Run run) {
  constexpr int kMostRuns = 3;
  for (int runs = 1;; ++runs) {
    auto result = run();
    if (result || !was_begun_before || runs == kMostRuns) return result;
    const int error = result.error().errno_value;
    if (error != EEXIST && error != ENOENT && error != ESTALE) return result;
  }
}

/// What the origin has at `path` now.
[[nodiscard]] base::Result<NamedInode> inode_at(origin::Origin& origin, const std::string& path);

/// The name is about to be made: looks whether it is free, and notes it. True: it was free when an earlier worker began, and has now
/// what that one was to make: of this `type`, with nothing in it yet, and the requester's own unless the origin maps owners.
[[nodiscard]] base::Result<bool> was_made_before(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name,
                                                 mode_t type);
/// The same for another name of a file that is there.
[[nodiscard]] base::Result<bool> was_linked_before(Filesystem& fs, origin::Origin& origin, const Reply& reply,
                                                   Name name, const NamedInode& file);

}  // namespace arenacache::vfs
