// SPDX-License-Identifier: Apache-2.0
// How libfuse reads requests from, and writes replies to, a /dev/fuse descriptor that somebody else mounted.
// Threads: any. Locks: none. The one place where a reply's bytes pass before the kernel sees them.
#pragma once

#include "libfuse.h"

namespace arenacache::vfs {

[[nodiscard]] const fuse_custom_io& fuse_device_io();

}  // namespace arenacache::vfs
