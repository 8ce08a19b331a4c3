// SPDX-License-Identifier: Apache-2.0
// SystemCallFilter: a seccomp filter that answers EPERM to what a file server never asks for once it runs: tracing others,
// mounting, namespaces, modules, kexec, keys, BPF, starting programs, setting the clock and the like.
// Promises: all threads of the process have it afterwards (TSYNC), and every thread and child after them; it cannot be taken off.
// A list of what is refused, not of what is allowed: a call that a library's next version makes does not end the daemon.
// Threads: any. Never: ends the process.
#pragma once

#include "arenacache/base/result.h"

namespace arenacache::daemon {

/// Puts the filter on; needs no_new_privs. ErrorKind::invalid where the kernel has none.
[[nodiscard]] base::Result<void> filter_system_calls();

}  // namespace arenacache::daemon
