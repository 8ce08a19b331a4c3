// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/resolved.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/config/options.h"
#include "assemble.h"
#include "setting.h"

namespace arenacache::config {

namespace {

using base::Result;
using base::text;

constexpr std::string_view kFile = "file=";
constexpr std::string_view kTier = "[tier]";
constexpr std::string_view kMount = "[mount]";
constexpr std::string_view kMountTable = "mount";

struct Escape {
  char letter;
  char shown;
};
constexpr auto kEscapes = std::to_array<Escape>({{'\\', '\\'}, {'\n', 'n'}, {'\t', 't'}, {'\0', '0'}});

void add_escaped(std::string& out, std::string_view words) {
  for (const char letter : words) {
    char shown = 0;
    for (const Escape& escape : kEscapes) {
      if (escape.letter == letter) shown = escape.shown;
    }
    if (shown != 0) out += '\\';
    out += shown != 0 ? shown : letter;
  }
}

std::string unescaped(std::string_view words) {
  std::string out;
  bool is_escaped = false;
  for (const char letter : words) {
    if (!is_escaped && letter == '\\') {
      is_escaped = true;
      continue;
    }
    char meant = letter;
    for (const Escape& escape : kEscapes) {
      if (is_escaped && escape.shown == letter) meant = escape.letter;
    }
    out += meant;
    is_escaped = false;
  }
  return out;
}

void add_line(std::string& out, const Option& option, const OptionTarget& target) {
  out += text(key_of(option), '=');
  const OptionValue value = option.access.get(option, target);
  if (const auto* list = std::get_if<std::vector<std::string>>(&value.written)) {
    for (const std::string& item : *list) {
      add_escaped(out, item);
      out += '\t';
    }
  } else if (const auto* words = std::get_if<std::string>(&value.written)) {
    add_escaped(out, *words);
  }
  out += '\n';
}

/// What stands before `mark`, which is taken away with it; nothing: there is no mark.
std::optional<std::string_view> take_until(std::string_view& rest, char mark) {
  const std::size_t end = rest.find(mark);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return taken;
}

std::unexpected<base::Error> foreign(std::string_view line) {
  return base::fail(base::ErrorKind::invalid, 0, text("the configuration was kept by another build: ", line));
}

Result<Setting> read_line(std::string_view line, const std::string& file) {
  std::string_view rest = line;
  const auto table = take_until(rest, '.');
  const auto key = table ? take_until(rest, '=') : std::nullopt;
  const Option* const option = key ? find_option(*table, *key) : nullptr;
  if (option == nullptr) return foreign(line);
  Setting setting{.option = option, .value = {}, .place = file.empty() ? flag_of(*option) : file};
  if (option->type != OptionType::list) {
    setting.value = {.written = unescaped(rest), .is_text = true};
    return setting;
  }
  std::vector<std::string> list;
  while (const auto item = take_until(rest, '\t')) list.push_back(unescaped(*item));
  setting.value = {.written = std::move(list)};
  return setting;
}

void add_tier(std::string& out, TierConfig& tier) {
  out += text(kTier, '\n');
  TierConfig plain;
  for (const Option& option : options()) {
    if (option.table != "tier" || option.access.same(target_of(tier), target_of(plain))) continue;
    add_line(out, option, target_of(tier));
  }
}

/// What `mount` has of its own, or other than `all` have.
void add_mount(std::string& out, MountConfig& mount, Config& all) {
  out += text(kMount, '\n');
  for (const Option& option : options()) {
    const bool is_own = option.table == kMountTable;
    if (!is_own && !option.is_per_mount) continue;
    if (!is_own && option.access.same(target_of(mount), target_of(all))) continue;
    add_line(out, option, target_of(mount));
  }
}

/// Whether an option may stand in the repeated table `is_in`; empty: before the first.
bool fits(const Option& option, std::string_view is_in) {
  if (is_repeated(option.table)) return option.table == is_in;
  return is_in.empty() || (is_in == kMountTable && option.is_per_mount);
}

std::vector<Setting>& settings_of(Document& document, std::string_view is_in) {
  if (is_in.empty()) return document.settings;
  return is_in == kMountTable ? document.mounts.back().settings : document.tiers.back().settings;
}

}  // namespace

std::string write_resolved(const Config& config) {
  Config ours = config;
  Config defaults;
  std::string out(kFile);
  add_escaped(out, config.file);
  out += '\n';
  for (const Option& option : options()) {
    if (is_repeated(option.table) || option.access.same(target_of(ours), target_of(defaults))) continue;
    add_line(out, option, target_of(ours));
  }
  for (TierConfig& tier : ours.tiers) add_tier(out, tier);
  for (MountConfig& mount : ours.mounts) add_mount(out, mount, ours);
  return out;
}

Result<Config> read_resolved(std::string_view lines) {
  const auto first = take_until(lines, '\n');
  if (!first || !first->starts_with(kFile)) return foreign("it does not begin with its file's name");
  const std::string file = unescaped(first->substr(kFile.size()));
  Document document;
  std::string_view is_in;  // the repeated table whose lines these are; empty: none yet
  while (const auto line = take_until(lines, '\n')) {
    if (*line == kTier || *line == kMount) {
      auto& tables = *line == kTier ? document.tiers : document.mounts;
      tables.push_back({.place = file, .settings = {}});
      is_in = *line == kTier ? "tier" : kMountTable;
      continue;
    }
    AC_ASSIGN(Setting setting, read_line(*line, file));
    if (!fits(*setting.option, is_in)) return foreign(*line);
    settings_of(document, is_in).push_back(std::move(setting));
  }
  if (!lines.empty()) return foreign("it is cut off");
  return assemble(file, document, {});
}

}  // namespace arenacache::config
