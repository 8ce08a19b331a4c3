// SPDX-License-Identifier: Apache-2.0
// The two ways of an open that op_open.cc chooses between, the one for a file whose name is gone, and what a lookup holds open for it.
#pragma once

#include "operations.h"

namespace arenacache::vfs {

/// With write access, or O_TRUNC: at the origin.
void open_for_writing(const FilesystemPtr& fs, Reply reply, NodeId id, int flags);
/// Of a node that has no name: unlinked, and opened by /proc/self/fd/N, or its name has another file. The kernel is sent to look the name
/// up again; who comes a second time shares an open that may do as much, or gets `held`, what was shown, or what is there now.
void open_nameless(const FilesystemPtr& fs, Reply reply, NodeId id, int access, const HeldFiles::Pointer& held = {});

/// What the thread was shown that opens `id`: null where that was another node, or nobody knows what. Who was shown another one has
/// moved on since it was sent away, and comes for the first time.
[[nodiscard]] HeldFiles::Pointer take_held(Filesystem& fs, const Reply& reply, NodeId id);
/// Answers an open with an error: nothing is kept for the program any more; but for ESTALE, with which the kernel comes again.
void fail_open(Filesystem& fs, Reply& reply, OpenKind kind, const base::Error& error);

/// Closes its file where that may block, once nobody has it any more.
[[nodiscard]] HeldFiles::Pointer hold_open(const FilesystemPtr& fs, HeldFile file);

}  // namespace arenacache::vfs
