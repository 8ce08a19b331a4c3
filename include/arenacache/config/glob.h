// SPDX-License-Identifier: Apache-2.0
// Globs, for cache.include, cache.exclude and the paths given to the CLI. Pure.
// Promises: time at most in proportion to the lengths of pattern times path, whatever the pattern.
// Threads: any. Never: touches a file system.
#pragma once

#include <string_view>

namespace arenacache::config {

/// Does `path` (relative to the source, no leading "/") match? `*` and `?` match all but "/", `**` also "/", "**/" also
/// nothing; `[a-z]`, `[!a-z]` one byte but "/"; `{a,b}` either. A pattern without "/" is matched against the last part of
/// the path, in any folder; a leading "/" ties it to the top, and one that ends in "/" matches all that is in that folder. `\` takes the next letter as
/// it is. Bytes, case matters. A bracket or brace that is not closed is a letter.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view path);

/// Has it anything that glob_match() takes as more than a letter?
[[nodiscard]] bool is_glob(std::string_view words);

}  // namespace arenacache::config
