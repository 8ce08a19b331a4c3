// SPDX-License-Identifier: Apache-2.0
// Reloading: what a running daemon may take over from a configuration read again. Pure. Threads: any.
#pragma once

#include <string>
#include <vector>

#include "arenacache/config/config.h"

namespace arenacache::config {

/// Copies every option that may change while running from `fresh` to `running`, mounts paired by name. Returns the keys that
/// differ and need a restart, in the table's order: "store.path", "mount.models.origin.kind", "mount.models" (a mount that
/// came, went, or lies elsewhere).
std::vector<std::string> apply_reloadable(Config& running, const Config& fresh);

}  // namespace arenacache::config
