// SPDX-License-Identifier: Apache-2.0
// Which of its three processes this executable is to be, by its first argument. Threads: one. Locks: none.
#pragma once

#include "keeper.h"

namespace arenacache::daemon {

/// Runs the role that argv names (none: the keeper, with `options`), and returns the exit code.
int run_role(int argc, char** argv, KeeperOptions options);

}  // namespace arenacache::daemon
