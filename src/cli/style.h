// SPDX-License-Identifier: Apache-2.0
// Style: how text for people may look: colours and block characters, or plain ASCII.
// Promises: what comes from outside (file names) cannot steer the terminal: control characters are shown as "?".
// Threads: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace arenacache::cli {

enum class Colour : std::uint8_t { none, bold, dim, green, yellow, red, cyan };

struct Style {
  bool has_colour = false;
  bool has_unicode = false;
};

/// Colour only on a terminal without NO_COLOR; block characters only on a terminal whose locale is UTF-8.
[[nodiscard]] Style style_for(bool is_terminal);

[[nodiscard]] std::string painted(std::string_view text, Colour colour, Style style);
/// `text` with "?" for each control character.
[[nodiscard]] std::string printable(std::string_view text);
/// Columns that UTF-8 `text` takes, one a character.
[[nodiscard]] std::size_t width_of(std::string_view text);
/// "1,234,567".
[[nodiscard]] std::string format_count(std::uint64_t count);
/// "96.2 %"; `ratio` in 0..1.
[[nodiscard]] std::string format_percent(double ratio);
/// A bar of `columns`, filled to `ratio` (clipped to 0..1).
[[nodiscard]] std::string bar(double ratio, std::size_t columns, Style style);

}  // namespace arenacache::cli
