// SPDX-License-Identifier: Apache-2.0
// Remains: what is left of a worker that has been killed while its source hangs: threads that wait in the kernel, where no signal
// reaches them. They hold its memory and whatever it had open, but will never run its program again.
// Threads: one. Locks: none. Never: blocks; it reads /proc.
#pragma once

#include <sys/types.h>

namespace arenacache::daemon {

struct Remains {
  bool can_be_left =
      false;  ///< nothing but calls of the origin and of the kernel's notifications, which harm no successor
  bool has_changes = false;  ///< ... of the origin that change something, and may still come to pass
};

/// `pid` is of a child that has not been reaped.
[[nodiscard]] Remains remains_of(pid_t pid);

}  // namespace arenacache::daemon
