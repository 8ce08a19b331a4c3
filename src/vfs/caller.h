// SPDX-License-Identifier: Apache-2.0
// caller_of: the ids under which a change is made for who asked. Reads /proc, which takes
// microseconds. Never: fails; a process that is gone has no supplementary groups.
#pragma once

#include "arenacache/origin/origin.h"
#include "fuse_reply.h"

namespace arenacache::vfs {

[[nodiscard]] origin::Caller caller_of(const Requester& requester);

}  // namespace arenacache::vfs
