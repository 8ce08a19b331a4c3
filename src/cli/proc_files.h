// SPDX-License-Identifier: Apache-2.0
// Files of /proc and /sys, read while the processes they speak of come and go.
// Promises: what vanishes in the middle is as if it had not been there. Threads: any. Never: throws for what is not there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace arenacache::cli {

/// The whole file; empty where it cannot be read.
[[nodiscard]] std::string read_proc_file(const std::string& path);
/// The names in a folder, without "." and ".."; none where it cannot be read.
[[nodiscard]] std::vector<std::string> names_in(const std::string& path);
/// What a symlink says; empty where it cannot be read.
[[nodiscard]] std::string link_at(const std::string& path);
/// The ids of all processes.
[[nodiscard]] std::vector<std::int64_t> process_ids();
/// The word after "Name:" in a file of such lines (/proc/PID/status); empty: no such line.
[[nodiscard]] std::string_view field_of(std::string_view lines, std::string_view name);
/// A number at the beginning of `words`, spaces skipped; nothing where there is none.
[[nodiscard]] std::optional<std::uint64_t> number_in(std::string_view words, int base = 10);

}  // namespace arenacache::cli
