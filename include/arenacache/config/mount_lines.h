// SPDX-License-Identifier: Apache-2.0
// Mount lines: what an owner writes into the config so that what a symlink leads to is cached too.
// Threads: any. Never: touches a file system.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace arenacache::config {

/// The folder to mount over for a link to `target`: the target, or the folder of a file (told by a model's ending).
[[nodiscard]] std::string folder_behind(std::string_view target);

/// The lines of TOML that mount over `folder`.
[[nodiscard]] std::vector<std::string> mount_lines(std::string_view folder);

}  // namespace arenacache::config
