// SPDX-License-Identifier: Apache-2.0
// Validation: is a loaded Config one that the daemon can serve? Each error is ErrorKind::invalid with one sentence for the
// owner that names file and line (or flag), key, reason, and what to do. Nothing is changed or made.
// Threads: any. validate() touches nothing; check_machine() blocks on the disks it asks, a hung source included.
#pragma once

#include <functional>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"

namespace arenacache::config {

/// What can be told without looking at the machine: what is missing, names, and paths that lie in each other.
[[nodiscard]] base::Result<void> validate(const Config& config);

/// What only the machine knows: sources and mountpoints are folders, a mountpoint is empty unless it is its source, the store
/// can be made; and validate()'s rules about paths again with symlinks followed. Expects a validated config. `looks_at` hears of each
/// folder of a mount before it is looked at, as the look may never come back.
[[nodiscard]] base::Result<void> check_machine(
    const Config& config, const std::function<void(const std::string&)>& looks_at = [](const std::string&) {});

}  // namespace arenacache::config
