// SPDX-License-Identifier: Apache-2.0
// "did you mean ...?": the known word nearest to a mistyped one. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace arenacache::config {

/// The nearest of `known`, or "" when none is near: at most a third of the letters may be wrong, missing, more or swapped.
[[nodiscard]] std::string nearest_word(std::string_view word, std::span<const std::string> known);

/// The known key nearest to table.key: the same key of another table comes first. "" when none is near.
[[nodiscard]] std::string nearest_key(std::string_view table, std::string_view key);

/// "; did you mean X?", or nothing.
[[nodiscard]] std::string suggestion(std::string_view nearest);

}  // namespace arenacache::config
