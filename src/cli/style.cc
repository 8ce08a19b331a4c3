// SPDX-License-Identifier: Apache-2.0
#include "style.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace arenacache::cli {

namespace {

const char* code_of(Colour colour) {
  switch (colour) {
    case Colour::none:
      return "";
    case Colour::bold:
      return "\033[1m";
    case Colour::dim:
      return "\033[2m";
    case Colour::green:
      return "\033[32m";
    case Colour::yellow:
      return "\033[33m";
    case Colour::red:
      return "\033[31m";
    case Colour::cyan:
      return "\033[36m";
  }
  return "";
}

bool is_utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets the environment
    if (value == nullptr || *value == '\0') continue;
    const std::string_view locale = value;
    return locale.contains("UTF-8") || locale.contains("utf8") || locale.contains("utf-8");
  }
  return false;
}

}  // namespace

Style style_for(bool is_terminal) {
  const char* no_colour = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): nobody sets the environment
  const bool refuses_colour = no_colour != nullptr && *no_colour != '\0';
  return {.has_colour = is_terminal && !refuses_colour, .has_unicode = is_terminal && is_utf8_locale()};
}

std::string painted(std::string_view text, Colour colour, Style style) {
  if (!style.has_colour || colour == Colour::none) return std::string(text);
  return code_of(colour) + std::string(text) + "\033[0m";
}

std::string printable(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return out;
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

std::string format_count(std::uint64_t count) {
  std::string out = std::to_string(count);
  for (std::size_t at = out.size(); at > 3;) {
    at -= 3;
    out.insert(at, 1, ',');
  }
  return out;
}

std::string format_percent(double ratio) {
  char text[32];
  // 99.96 % is not "100.0 %": only all is all.
  const double percent = ratio >= 1 ? 100 : std::min(std::floor(ratio * 1000) / 10, 99.9);
  std::snprintf(text, sizeof text, "%.1f %%", percent);
  return text;
}

std::string bar(double ratio, std::size_t columns, Style style) {
  const double clipped = std::clamp(ratio, 0.0, 1.0);
  const auto filled = static_cast<std::size_t>(clipped * static_cast<double>(columns));
  std::string out;
  for (std::size_t i = 0; i < columns; ++i) {
    const bool is_filled = i < filled;
    if (style.has_unicode) {
      out += is_filled ? "█" : "░";
    } else {
      out += is_filled ? '#' : '-';
    }
  }
  return style.has_unicode ? out : "[" + out + "]";
}

}  // namespace arenacache::cli
