// SPDX-License-Identifier: Apache-2.0
// A worker's end, and that another one goes on. Threads: any. Never: sends a signal to the keeper.
#pragma once

#include <sys/types.h>

#include <gtest/gtest.h>

#include "mount/test_mount.h"

namespace arenacache::test {

/// The worker that answers; waits for one. Fails the test when none comes.
pid_t worker_of(const TestMount& mount);
/// Kills the worker at once, without a word; returns its pid.
pid_t kill_worker(const TestMount& mount);
/// Waits until another worker than `before` answers.
::testing::AssertionResult is_back(const TestMount& mount, pid_t before);

}  // namespace arenacache::test
