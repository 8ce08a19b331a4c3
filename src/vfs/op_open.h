// SPDX-License-Identifier: Apache-2.0
// The two ways of an open that op_open.cc chooses between, the one for a file whose name is gone, and what a lookup holds open for it.
#pragma once

#include "operations.h"

namespace arenacache::vfs {

/// With write access, or O_TRUNC: at the origin.
void open_for_writing(const FilesystemPtr& fs, Reply reply, NodeId id, int flags);
/// Of an unlinked file that is open (/proc/self/fd/N): shares an open that may do as much. `held`: what whoever opens was shown, if
/// there is none.
void open_nameless(const FilesystemPtr& fs, Reply reply, NodeId id, int access, const HeldFiles::Pointer& held = {});

/// What `requester` was shown, which opens `id`: null where that was another node, or nobody knows what. Who was shown another one has
/// moved on since it was sent away, and comes for the first time.
[[nodiscard]] HeldFiles::Pointer take_held(Filesystem& fs, const Reply& reply, NodeId id);
/// Answers an open with an error: nothing is kept for the program any more; but for ESTALE, with which the kernel comes again.
void fail_open(Filesystem& fs, Reply& reply, OpenKind kind, const base::Error& error);

/// Closes its file where that may block, once nobody has it any more.
[[nodiscard]] HeldFiles::Pointer hold_open(const FilesystemPtr& fs, HeldFile file);

}  // namespace arenacache::vfs
