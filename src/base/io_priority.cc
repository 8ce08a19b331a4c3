// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/io_priority.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arenacache/base/log.h"

namespace arenacache::base {

namespace {

// Source: linux/ioprio.h, which Debian 12's C library does not wrap.
constexpr int kWhoProcess = 1;
constexpr int kClassIdle = 3;
constexpr int kClassShift = 13;

}  // namespace

void use_idle_io_priority() {
  constexpr int kThisThread = 0;
  if (::syscall(SYS_ioprio_set, kWhoProcess, kThisThread, kClassIdle << kClassShift) != 0) {
    log_debug("cannot have idle priority at the disk");
  }
}

void use_idle_cpu_priority() {
  constexpr int kLeast = 19;
  // On Linux a thread has a priority of its own, and 0 is the one that asks.
  if (::setpriority(PRIO_PROCESS, 0, kLeast) != 0) log_debug("cannot have idle priority at the processor");
}

}  // namespace arenacache::base
