// SPDX-License-Identifier: Apache-2.0
// The table of options against Config's own defaults, config/arenacache.toml and docs/config.md.
#include "arenacache/config/options.h"

#include <gtest/gtest.h>

#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): setenv is POSIX

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/config/config.h"
#include "arenacache/config/load.h"
#include "arenacache/config/validate.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::config {
namespace {

using base::text;
using test::must;

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream in(std::string(ARENACACHE_SOURCE_DIR) + "/" + path);
  EXPECT_TRUE(in.is_open()) << path;
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// "[cache]" and "[[mount]]" are "cache" and "mount"; "" for another line.
std::string table_of(std::string_view line) {
  if (line.starts_with("## ")) line.remove_prefix(3);
  if (line.starts_with('#')) line.remove_prefix(1);
  if (!line.starts_with('[')) return {};
  const auto begin = line.find_first_not_of('[');
  return std::string(line.substr(begin, line.find(']') - begin));
}

/// What a file of the line-per-option kind says: "cache.mode" to its rest of the line.
std::map<std::string, std::string> keys_of_file(std::string_view separator, const std::string& path,
                                                std::string_view line_start) {
  std::map<std::string, std::string> found;
  std::string table;
  for (const std::string& line : lines_of(path)) {
    if (const std::string begun = table_of(line); !begun.empty()) table = begun;
    if (line.starts_with("## ") && table_of(line).empty()) table.clear();
    if (table.empty() || !line.starts_with(line_start)) continue;
    const auto end = line.find(separator, line_start.size());
    if (end == std::string::npos) continue;
    const std::string key = line.substr(line_start.size(), end - line_start.size());
    if (key.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos) continue;
    EXPECT_FALSE(found.contains(text(table, ".", key))) << path << " has " << key << " twice";
    found[text(table, ".", key)] = line.substr(end + separator.size());
  }
  return found;
}

std::set<std::string> all_keys() {
  std::set<std::string> keys;
  for (const Option& option : options()) keys.insert(key_of(option));
  return keys;
}

std::set<std::string> keys_in(const std::map<std::string, std::string>& found) {
  std::set<std::string> keys;
  for (const auto& [key, rest] : found) keys.insert(key);
  return keys;
}

TEST(Options, have_the_defaults_that_a_config_has) {
  const test::TempDir dir;
  std::string toml;
  for (const std::string_view table : option_tables()) {
    toml += is_repeated(table) ? text("[[", table, "]]\n") : text("[", table, "]\n");
    for (const Option& option : options()) {
      if (option.table == table) toml += text(option.key, " = ", option.default_text, "\n");
    }
  }
  Config written = must(load_file(dir.write_file("defaults.toml", toml)));
  Config fresh;
  for (const Option& option : options()) {
    if (is_repeated(option.table)) continue;
    EXPECT_TRUE(option.access.same(target_of(written), target_of(fresh))) << key_of(option);
  }
  EXPECT_EQ(written.mounts.at(0).source, "");
  TierConfig tier;
  for (const Option& option : options()) {
    if (option.table != "tier" || option.key == "name") continue;
    EXPECT_TRUE(option.access.same(target_of(written.tiers.at(0)), target_of(tier))) << key_of(option);
  }
}

TEST(Options, are_a_table_without_twins_and_with_help) {
  EXPECT_EQ(all_keys().size(), options().size());
  for (const Option& option : options()) {
    EXPECT_FALSE(option.help.empty()) << key_of(option);
    EXPECT_FALSE(option.help.ends_with('.')) << key_of(option);
    EXPECT_EQ(find_option(option.table, option.key), &option);
    EXPECT_EQ(option.type == OptionType::choice, !option.choices.empty()) << key_of(option);
    const bool has_own_target = option.table == "cache" || option.table == "fill" || option.table == "origin";
    EXPECT_TRUE(has_own_target || !option.is_per_mount) << key_of(option);
  }
  for (const ShortFlag& known : short_flags()) EXPECT_NE(find_option(known.table, known.key), nullptr) << known.flag;
}

TEST(Options, stand_in_the_default_file_with_their_defaults) {
  const auto found = keys_of_file(" = ", "config/arenacache.toml", "#");
  EXPECT_EQ(keys_in(found), all_keys());
  for (const Option& option : options()) {
    const auto line = found.find(key_of(option));
    if (line != found.end()) {
      EXPECT_EQ(line->second, option.default_text) << key_of(option);
    }
  }
}

TEST(Options, the_default_file_changes_nothing) {
  Config config = must(load_file(std::string(ARENACACHE_SOURCE_DIR) + "/config/arenacache.toml"));
  EXPECT_TRUE(config.places.empty());
  EXPECT_TRUE(config.mounts.empty());
}

TEST(Options, the_default_file_is_valid_toml_when_uncommented) {
  const test::TempDir dir;
  std::string toml;
  for (const std::string& line : lines_of("config/arenacache.toml")) {
    const bool is_option = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    toml += (is_option ? line.substr(1) : line) + "\n";
  }
  const auto loaded = load_file(dir.write_file("uncommented.toml", toml));
  ASSERT_TRUE(test::is_ok(loaded));
  EXPECT_EQ(loaded->mounts.size(), 1U);
  EXPECT_EQ(loaded->tiers.size(), 1U);
}

TEST(Options, stand_in_the_docs_with_type_default_and_whether_they_reload) {
  const auto found = keys_of_file("` | ", "docs/config.md", "| `");
  EXPECT_EQ(keys_in(found), all_keys());
  for (const Option& option : options()) {
    const auto row = found.find(key_of(option));
    if (row == found.end()) continue;
    EXPECT_TRUE(row->second.starts_with(text(to_string(option.type), " | `", option.default_text, "` | ")))
        << key_of(option) << ": " << row->second;
    const std::string_view per_mount = is_repeated(option.table) ? "-" : option.is_per_mount ? "yes" : "no";
    EXPECT_TRUE(row->second.ends_with(text(" | ", per_mount, " | ", option.is_reloadable ? "yes" : "no", " |")))
        << key_of(option) << ": " << row->second;
    for (const std::string_view word : option.choices) {
      EXPECT_TRUE(row->second.contains(text("`", word, "`")) || row->second.contains(text('"', word, '"')))
          << key_of(option) << " does not name " << word;
    }
  }
}

TEST(Options, the_examples_of_the_docs_are_valid) {
  ::setenv("SCRATCH", "/scratch", 1);
  const test::TempDir dir;
  std::string toml;
  bool is_inside = false;
  int examples = 0;
  for (const std::string& line : lines_of("docs/config.md")) {
    if (is_inside && line == "```") {
      const auto loaded = load_file(dir.write_file("example.toml", toml));
      ASSERT_TRUE(test::is_ok(loaded)) << toml;
      EXPECT_TRUE(test::is_ok(validate(*loaded))) << toml;
      is_inside = false;
      ++examples;
    } else if (line == "```toml") {
      is_inside = true;
      toml.clear();
    } else if (is_inside) {
      toml += line + "\n";
    }
  }
  EXPECT_GE(examples, 2);
}

}  // namespace
}  // namespace arenacache::config
