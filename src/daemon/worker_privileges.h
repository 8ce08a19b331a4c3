// SPDX-License-Identifier: Apache-2.0
// WorkerPrivileges: what of root's power the worker keeps, and no_new_privs.
// Promises: afterwards the calling thread, and every thread it starts, has at most the capabilities named in the source, and no
// exec gives any back. An ordinary user's process, which has none, stays as it is.
// Threads: called once, before any other thread is started. Never: ends the process; what the kernel refuses is an error.
#pragma once

#include <cstdint>

#include "arenacache/base/result.h"

namespace arenacache::daemon {

/// A bit for each capability that the worker may keep, as in /proc/PID/status.
[[nodiscard]] std::uint64_t kept_capabilities();

/// ErrorKind::invalid with the first thing that the kernel refused; the rest is done all the same.
[[nodiscard]] base::Result<void> drop_privileges();

}  // namespace arenacache::daemon
