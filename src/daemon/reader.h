// SPDX-License-Identifier: Apache-2.0
// The short-lived child that reads the configuration, opens the folders and sends the keeper its plan.
// Promises: nothing is mounted by it; what our user did wrong is one sentence on standard error and exit code 2.
// Threads: one that looks at folders, and may hang for as long as a folder hangs; the main one waits for it, at most the longest
// `origin.timeout` and at least 5 s, then says which folder it is, and ends. Locks: one leaf.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"
#include "keeper_plan.h"

namespace arenacache::daemon {

/// Runs the child with its end of the channel and the daemon's argv; returns its exit code.
int run_reader(int channel_fd, std::span<char*> arguments);

/// Hears of each folder before it is looked at.
using LooksAt = std::function<void(const std::string&)>;

/// Opens what `config` names. To be called before anything is mounted.
[[nodiscard]] base::Result<Plan> make_plan(const config::Config& config, const LooksAt& looks_at);

/// Unmounts what a killed daemon left at the mountpoints: dead mounts of ours, never another program's.
/// ErrorKind::invalid if a daemon still serves one of them.
[[nodiscard]] base::Result<void> clear_dead_mounts(const config::Config& config, const LooksAt& looks_at);

/// The block device that the store lies on, as mountinfo names it; empty where there is none (tmpfs, a network).
[[nodiscard]] std::string block_device_of(const std::string& path);

}  // namespace arenacache::daemon
