// SPDX-License-Identifier: Apache-2.0
// Taking over a mount from an earlier worker: nodes, names and open handles, so that every number the kernel knows means what it
// meant. And leaving what a successor needs: a record of each open, and descriptors of files that lose their name.
// Threads: adopt() before any request; the rest on any, keep_open_files() on the origin's. Locks: none of its own.
#pragma once

#include <vector>

#include "filesystem.h"
#include "fuse_reply.h"

namespace arenacache::vfs {

/// `left`: the requests that will be run again; what they opened and did not say is not open. Returns how many handles there are.
std::size_t adopt(const FilesystemPtr& fs, Inheritance& inheritance, const std::vector<handover::Slot*>& left);

/// Before the open is answered.
void record_open(Filesystem& fs, const Reply& reply, HandleId id, FileHandle& handle, const OpenDecision& decision);
void record_open(Filesystem& fs, const Reply& reply, HandleId id, DirectoryHandle& handle);
/// Before the handle's number means nothing any more.
void forget_open(Filesystem& fs, HandleId id, const FileHandle& handle);

/// A descriptor of the file behind `handle` goes to the keeper. May block on the origin.
void keep_open_file(Filesystem& fs, HandleId id, FileHandle& handle);
/// A name of node `id` is about to go: a successor could not open its files again. May block on the origin.
void keep_open_files(Filesystem& fs, NodeId id);

}  // namespace arenacache::vfs
