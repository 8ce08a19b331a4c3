// SPDX-License-Identifier: Apache-2.0
// Folders of the store that survive a power cut.
#pragma once

#include <string>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"

namespace arenacache::store {

/// Of the store's files; its folders have 0700.
inline constexpr unsigned kFileMode = 0600;

/// Makes the folder (mode 0700) and makes its name durable; one that exists is success. ENOENT when the one above is missing.
base::Result<void> make_durable_directory(base::FileIo& io, const std::string& path);

}  // namespace arenacache::store
