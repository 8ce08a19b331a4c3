// SPDX-License-Identifier: Apache-2.0
// Settings to a Config: the global tables, each mount's own keys over them, the flags over both.
// Promises: an error is ErrorKind::invalid and names place and key. Threads: any. Never: reads a file or the environment.
#pragma once

#include <string>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"
#include "flags.h"
#include "setting.h"

namespace arenacache::config {

/// `file` becomes Config::file.
[[nodiscard]] base::Result<Config> assemble(const std::string& file, const Document& document, const Flags& flags);

}  // namespace arenacache::config
