// SPDX-License-Identifier: Apache-2.0
// Which of store, sources, mountpoints and socket may lie in which. Works on the paths as they stand in the Config: as
// written for validate(), with symlinks followed for check_machine(). Pure. Threads: any.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"

namespace arenacache::config {

/// ErrorKind::invalid: "PLACE: KEY: WHAT", or "FLAG: WHAT". A key that nobody set is placed in the file, else at its flag.
[[nodiscard]] std::unexpected<base::Error> refuse_key(const Config& config, const std::string& key,
                                                      std::string_view what);

/// "mount.1.source".
[[nodiscard]] std::string mount_key(std::size_t mount, std::string_view key);

[[nodiscard]] base::Result<void> check_path_rules(const Config& config);

}  // namespace arenacache::config
