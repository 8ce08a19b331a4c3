// SPDX-License-Identifier: Apache-2.0
// Taking over a mount from an earlier worker: nodes, names and open handles, so that every number the kernel knows means what it
// meant. And leaving what a successor needs: a record of each open, and descriptors of files that lose their name.
// Threads: adopt() before any request; the rest on any, keep_open_files() on the origin's. Locks: none of its own.
#pragma once

#include <string>
#include <vector>

#include "filesystem.h"
#include "fuse_reply.h"

namespace arenacache::vfs {

/// `left`: the requests that will be run again, and answered at `desk`; what they opened and did not say is not open, and what they
/// change is being changed until then. Returns how many handles there are.
std::size_t adopt(const FilesystemPtr& fs, Inheritance& inheritance, const std::vector<handover::Slot*>& left,
                  ReplyDesk& desk);

/// Before the open is answered.
void record_open(Filesystem& fs, const Reply& reply, HandleId id, FileHandle& handle, const OpenDecision& decision);
void record_open(Filesystem& fs, const Reply& reply, HandleId id, DirectoryHandle& handle);
/// After the engine sent readers to the origin's file, before that changes: a successor is to send them there too.
void record_followers(Filesystem& fs);
/// Before the handle's number means nothing any more.
void forget_open(Filesystem& fs, HandleId id, const FileHandle& handle);

/// A descriptor of the file behind `handle` goes to the keeper. May block on the origin.
void keep_open_file(Filesystem& fs, HandleId id, FileHandle& handle);
/// Whether a successor, which knows of the user and the group who opened it and of no other groups, could open a file of these
/// attributes again with `access`.
[[nodiscard]] bool can_open_again(const Filesystem& fs, const origin::Attributes& attributes,
                                  const Requester& requester, int access);
/// The folder at `path` is about to be moved: what is open below it, for writing or beside who writes, might be found under neither
/// name. May block on the origin.
void keep_open_files_below(Filesystem& fs, const std::string& path);
/// A name of node `id` is about to go: a successor could not open its files again. May block on the origin.
void keep_open_files(Filesystem& fs, NodeId id);
/// Whether the file of an open that is about to be answered might not be found any more: its name is going, or went meanwhile.
[[nodiscard]] bool may_lose_its_file(Filesystem& fs, const FileHandle& handle);

}  // namespace arenacache::vfs
