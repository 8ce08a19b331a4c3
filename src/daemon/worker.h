// SPDX-License-Identifier: Apache-2.0
// The worker: the process that does everything but hold the mounts. The keeper starts it, feeds it and ends it.
// Promises: says "ready" once every mount answers, or "failed" with a sentence; ends in good order when told to, or when the
// keeper is gone. As root it lives in a mount namespace where our mounts are not, so that it can never wait for itself.
// Threads: its main thread listens to the keeper; Services has the others. Locks: none. Never: mounts or unmounts for the host.
#pragma once

#include <span>

namespace arenacache::daemon {

/// Runs the worker with its end of the channel and the daemon's argv; returns its exit code.
int run_worker(int channel_fd, std::span<char*> arguments);

}  // namespace arenacache::daemon
