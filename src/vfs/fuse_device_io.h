// SPDX-License-Identifier: Apache-2.0
// How libfuse writes replies to a /dev/fuse descriptor that somebody else mounted. (FuseSession reads the requests itself.)
// Threads: any. Locks: none. The one place where a reply's bytes pass before the kernel sees them: what it says is kept for the
// next worker before, and marked as said after.
#pragma once

#include "libfuse.h"

namespace arenacache::vfs {

[[nodiscard]] const fuse_custom_io& fuse_device_io();

}  // namespace arenacache::vfs
