// SPDX-License-Identifier: Apache-2.0
// Whether an open found data that changed behind our back while the kernel may still believe the old size: then it is to look
// the name up again before it reads. Threads: any. Locks: none of its own.
#pragma once

#include "arenacache/origin/local_origin.h"
#include "filesystem.h"

namespace arenacache::vfs {

/// `known`: what the node table had; `now`: what the origin said, of which `seen` was made. True: answer ESTALE, once: the
/// kernel asks for the name and comes again, and what it finds then was seen just now.
[[nodiscard]] inline bool kernel_is_behind(Filesystem& fs, NodeId id, Seen seen, const NodeState& known,
                                           const origin::Attributes& now, pid_t thread, OpenKind kind) {
  if (seen != Seen::taken || !known.has_version) return false;
  if (origin::version_of(known.attributes).same_data(origin::version_of(now))) return false;
  fs.nodes().note_kernel_behind(id);  // whoever opens it before the kernel has asked is sent to ask, too
  if (!fs.nodes().send_away(thread, kind)) return false;
  fs.kernel().attributes_changed(id);
  return true;
}

}  // namespace arenacache::vfs
