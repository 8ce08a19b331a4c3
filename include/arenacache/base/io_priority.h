// SPDX-License-Identifier: Apache-2.0
// A thread's priority at the disk and at the processor.
// Threads: acts on the calling one. Never: fails; where the kernel or a sandbox refuses, nothing changes.
#pragma once

namespace arenacache::base {

/// From now on this thread's reads and writes are served when nobody else wants the disk (ioprio_set(2), class idle), as far as
/// the disk's scheduler heeds it.
void use_idle_io_priority();

/// From now on this thread gets the processor when hardly anybody else wants it (setpriority(2), 19).
void use_idle_cpu_priority();

}  // namespace arenacache::base
