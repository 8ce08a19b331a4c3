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

/// Closes its file where that may block, once nobody has it any more.
[[nodiscard]] HeldFiles::Pointer hold_open(const FilesystemPtr& fs, HeldFile file);

}  // namespace arenacache::vfs
