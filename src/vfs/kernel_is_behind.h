// SPDX-License-Identifier: Apache-2.0
// Whether an open found data that changed behind our back while the kernel may still believe the old size: then it is to look
// the name up again before it reads. Threads: any. Locks: none of its own.
#pragma once

#include "arenacache/origin/local_origin.h"
#include "filesystem.h"

namespace arenacache::vfs {

/// `before`: what the node table had; `now`: what the origin said, of which `seen` was made. True: answer ESTALE, once: the
/// kernel asks for the name and comes again, and what it finds then was seen just now.
[[nodiscard]] inline bool kernel_is_behind(Filesystem& fs, NodeId id, Seen seen, const origin::Attributes& before,
                                           const origin::Attributes& now) {
  if (seen != Seen::taken || origin::version_of(before).same_data(origin::version_of(now))) return false;
  if (const auto state = fs.nodes().state(id); state && state->validated == base::TimePoint::min()) return false;
  fs.kernel().attributes_changed(id);
  return true;
}

}  // namespace arenacache::vfs
