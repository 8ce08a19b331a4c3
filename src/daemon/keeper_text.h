// SPDX-License-Identifier: Apache-2.0
// A text as a file without a name: it goes from one process to the next as a descriptor, and stays as it was written.
// Threads: any. Locks: none.
#pragma once

#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::daemon {

/// `name` shows in /proc/PID/fd. Nobody can write into the file afterwards.
[[nodiscard]] base::Result<base::UniqueFd> make_text_file(const char* name, std::string_view text);

/// The whole text, wherever the descriptor's offset is. ErrorKind::invalid for what is none.
[[nodiscard]] base::Result<std::string> read_text_file(int file);

}  // namespace arenacache::daemon
