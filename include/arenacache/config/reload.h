// SPDX-License-Identifier: Apache-2.0
// Reloading: what a running daemon, or one that takes its mounts over, may have of a configuration read again. Pure. Threads: any.
#pragma once

#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"

namespace arenacache::config {

/// Copies every option that may change while running from `fresh` to `running`, mounts paired by name. Returns the keys that
/// differ and need a restart, in the table's order: "store.path", "mount.models.origin.kind", "mount.models" (a mount that
/// came, went, or lies elsewhere); of packed tiers likewise.
std::vector<std::string> apply_reloadable(Config& running, const Config& fresh);

/// Whether `fresh` has the mounts that there are, in any order: the same names, each with its source and mountpoint.
/// ErrorKind::invalid with a sentence that names the first that differs.
[[nodiscard]] base::Result<void> check_same_mounts(const Config& running, const Config& fresh);

}  // namespace arenacache::config
