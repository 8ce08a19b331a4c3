// SPDX-License-Identifier: Apache-2.0
// A Config as text that needs nothing else to be read again: no file, no flags, no environment. By it a daemon goes on with what it
// was told, whatever has become of the file since.
// Layout: lines. "file=PATH"; then KEY=VALUE for each option that is not at its default; then, for each packed tier, "[tier]" and what
// of it is not at its default; then, for each mount, "[mount]" and what of it differs from the tables above. In values "\\", "\n", "\t" and "\0" stand for these letters; a list's items end with a tab.
// Threads: any. Pure.
#pragma once

#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"

namespace arenacache::config {

[[nodiscard]] std::string write_resolved(const Config& config);

/// The Config that was written; its `places` name the file alone. ErrorKind::invalid for what this program does not know: the text
/// is of another build.
[[nodiscard]] base::Result<Config> read_resolved(std::string_view lines);

}  // namespace arenacache::config
