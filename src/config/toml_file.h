// SPDX-License-Identifier: Apache-2.0
// TOML text to settings. Promises: every key in the result is an option that may stand where it stood; "${VAR}" is replaced;
// the error is that of the first wrong line. Whether a value fits its option is not asked here. Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "setting.h"

namespace arenacache::config {

/// `file` is its name in sentences.
[[nodiscard]] base::Result<Document> read_document(std::string_view toml, const std::string& file);

}  // namespace arenacache::config
