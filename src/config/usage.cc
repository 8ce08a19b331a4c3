// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "arenacache/base/text.h"
#include "arenacache/config/load.h"
#include "arenacache/config/options.h"

namespace arenacache::config {

namespace {

using base::text;

constexpr std::string_view kHead =
    "Usage: arenacached --source DIR --mount DIR --store DIR [OPTION]...\n"
    "       arenacached --config FILE [OPTION]...\n"
    "Mirrors a slow folder of models and serves it from a local SSD.\n"
    "\n"
    "  --config FILE   read a TOML file; flags win over it\n"
    "  --check         say whether the configuration is valid, and end\n"
    "  --foreground    stay attached and log to stderr\n"
    "  --help          show this\n"
    "  --version       show the version\n";

std::string_view shown_default(const Option& option) {
  const std::string_view words = option.default_text;
  return words.starts_with('"') ? words.substr(1, words.size() - 2) : words;
}

std::string_view placeholder(OptionType type) {
  switch (type) {
    case OptionType::size:
    case OptionType::capacity:
      return "SIZE";
    case OptionType::duration:
      return "TIME";
    case OptionType::count:
      return "N";
    case OptionType::toggle:
      return "on|off";
    case OptionType::path:
      return "PATH";
    case OptionType::list:
      return "A,B,...";
    case OptionType::choice:
    case OptionType::text:
      return "WORD";
  }
  return "VALUE";
}

void append_option(std::string& out, const Option& option) {
  out += text("  ", flag_of(option));
  for (const ShortFlag& known : short_flags()) {
    if (known.table == option.table && known.key == option.key && known.flag != flag_of(option))
      out += text(", ", known.flag);
  }
  out += text(" ", placeholder(option.type), "\n      ", option.help);
  const std::string_view shown = shown_default(option);
  if (!shown.empty() && shown != "[]") out += text(" [", shown, "]");
  out += '\n';
}

}  // namespace

std::string usage() {
  std::string out(kHead);
  for (const std::string_view table : option_tables()) {
    out += is_repeated(table) ? text("\nThe ", table, ":\n") : text("\nOf [", table, "]:\n");
    for (const Option& option : options()) {
      if (option.table == table) append_option(out, option);
    }
  }
  return out;
}

}  // namespace arenacache::config
