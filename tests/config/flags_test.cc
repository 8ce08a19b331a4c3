// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/config/config.h"
#include "arenacache/config/load.h"
#include "arenacache/config/options.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::config {
namespace {

using namespace std::chrono_literals;
using base::text;
using test::must;

using Strings = std::vector<std::string>;

base::Result<CommandLine> parse(const Strings& arguments) {
  std::vector<const char*> argv = {"arenacached"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

TEST(CommandLine, the_short_forms_make_one_mount) {
  const CommandLine command =
      must(parse({"--source", "/nas/models", "--mount", "/mnt/models/", "--store", "/ssd/store", "--capacity", "200GiB",
                  "--socket", "/run/a.sock", "--mode", "use-only", "--foreground"}));
  EXPECT_TRUE(command.foreground);
  EXPECT_FALSE(command.check);
  ASSERT_EQ(command.config.mounts.size(), 1U);
  const MountConfig& mount = command.config.mounts.front();
  EXPECT_EQ(mount.name, "models");
  EXPECT_EQ(mount.source, "/nas/models");
  EXPECT_EQ(mount.mountpoint, "/mnt/models");
  EXPECT_EQ(mount.cache.mode, CacheMode::use_only);
  EXPECT_EQ(command.config.store.path, "/ssd/store");
  EXPECT_EQ(command.config.store.capacity.bytes, 200 * base::kGiB);
  EXPECT_EQ(command.config.daemon.socket, "/run/a.sock");
  EXPECT_EQ(command.config.places.at("mount.0.mountpoint"), "--mount");
}

TEST(CommandLine, every_key_of_the_tables_has_a_flag) {
  const CommandLine command = must(
      parse({"--cache-metadata-ttl", "60s", "--cache-serve-stale=off", "--fill-on-write", "on", "--fill-threads=5",
             "--cache-include", "*.{gguf,bin},loras/**", "--cache-settle", "auto", "--fuse-source-name", "store"}));
  EXPECT_EQ(command.config.cache.metadata_ttl, 60s);
  EXPECT_FALSE(command.config.cache.serve_stale);
  EXPECT_TRUE(command.config.fill.on_write);
  EXPECT_EQ(command.config.fill.threads, 5U);
  EXPECT_EQ(command.config.cache.include, (Strings{"*.{gguf,bin}", "loras/**"}));
  EXPECT_EQ(command.config.fuse.source_name, "store");
  for (const Option& option : options()) {
    const auto failed = parse({flag_of(option)});
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().what, text(flag_of(option), ": a value is missing"));
  }
}

TEST(CommandLine, flags_win_over_the_file_for_every_mount) {
  const test::TempDir dir;
  const std::string file = dir.write_file("config.toml", R"(
[store]
path = "/ssd/store"
[cache]
min_size = "1MiB"
[[mount]]
source = "/a"
mountpoint = "/b"
cache.mode = "use-only"
)");
  const CommandLine command = must(parse({"--config", file, "--cache-mode", "off", "--check"}));
  EXPECT_TRUE(command.check);
  EXPECT_EQ(command.config.file, file);
  EXPECT_EQ(command.config.cache.mode, CacheMode::off);
  EXPECT_EQ(command.config.mounts.at(0).cache.mode, CacheMode::off);
  EXPECT_EQ(command.config.mounts.at(0).cache.min_size, base::kMiB);
  EXPECT_EQ(command.config.store.path, "/ssd/store");
}

TEST(CommandLine, one_packed_tier_needs_no_file) {
  const CommandLine command = must(parse({"--tier-capacity", "3GiB", "--store", "/s", "--tier-level=high"}));
  ASSERT_EQ(command.config.tiers.size(), 1U);
  EXPECT_EQ(command.config.tiers[0].name, "packed");
  EXPECT_EQ(command.config.tiers[0].path, "/s/packed");
  EXPECT_EQ(command.config.tiers[0].capacity.bytes, 3 * base::kGiB);
  EXPECT_EQ(command.config.tiers[0].level, PackLevel::high);
  EXPECT_TRUE(must(parse({"--store", "/s"})).config.tiers.empty());
  const test::TempDir dir;
  const std::string file = dir.write_file("config.toml", "[[tier]]\ncapacity = \"1GiB\"\n");
  EXPECT_EQ(parse({"--config", file, "--tier-capacity", "2GiB"}).error().what,
            text("--tier-capacity: ", file, " has tiers of its own; add a [[tier]] there"));
  EXPECT_EQ(parse({"--tier-capacity", "2GiB", "--tier-capacity", "2GiB"}).error().what,
            "--tier-capacity: it was given twice; several tiers need a file with a [[tier]] for each");
}

TEST(CommandLine, the_last_of_a_flag_wins) {
  EXPECT_EQ(must(parse({"--fill-threads", "3", "--fill-threads", "4"})).config.fill.threads, 4U);
}

TEST(CommandLine, relative_paths_become_absolute) {
  const std::string here = std::filesystem::current_path().string();
  const CommandLine command = must(parse({"--source", "models", "--mount", "./models/../mnt", "--store=store"}));
  EXPECT_EQ(command.config.mounts.at(0).source, here + "/models");
  EXPECT_EQ(command.config.mounts.at(0).mountpoint, here + "/mnt");
  EXPECT_EQ(command.config.store.path, here + "/store");
}

TEST(CommandLine, help_and_version_need_no_file) {
  EXPECT_TRUE(must(parse({"--help", "--config", "/nowhere"})).help);
  EXPECT_TRUE(must(parse({"-h"})).help);
  EXPECT_TRUE(must(parse({"--version"})).version);
  EXPECT_TRUE(must(parse({})).config.mounts.empty());
}

TEST(CommandLine, usage_names_every_flag) {
  const std::string shown = usage();
  for (const Option& option : options()) EXPECT_TRUE(shown.contains(text("  ", flag_of(option)))) << flag_of(option);
  for (const ShortFlag& known : short_flags()) EXPECT_TRUE(shown.contains(known.flag)) << known.flag;
}

TEST(CommandLine, each_mistake_is_one_sentence) {
  const test::TempDir dir;
  const std::string file = dir.write_file("config.toml", "[[mount]]\nsource = \"/a\"\nmountpoint = \"/b\"\n");
  const std::vector<std::pair<Strings, std::string>> cases = {
      {{"/models"}, "\"/models\" is not a flag; a folder is given as --source /models"},
      {{"-v"}, "\"-v\" is not a flag; a folder is given as --source -v"},
      {{"--cache-mod", "off"}, "--cache-mod is not an option; did you mean --cache-mode?"},
      {{"--frobnicate"}, "--frobnicate is not an option"},
      {{"--store"}, "--store: a value is missing"},
      {{"--store", "--mount", "/a"}, "--store: a value is missing"},
      {{"--store="}, "--store: the path is empty"},
      {{"--check=yes"}, "--check: it takes no value"},
      {{"--mode", "on"}, "--mode: \"on\" is not one of active, use-only, off"},
      {{"--fill-threads", "many"}, "--fill-threads: \"many\" is not a whole number"},
      {{"--fill-threads", "3x"}, "--fill-threads: \"3x\" is not a whole number"},
      {{"--fill-threads", "100"}, "--fill-threads: it must be between 1 and 64"},
      {{"--fill-on-write", "maybe"}, "--fill-on-write: \"maybe\" is neither on nor off"},
      {{"--capacity", "lots"},
       "--capacity: \"lots\" is not a size: write a number with KiB, MiB, GiB or TiB, such as \"200GiB\""},
      {{"--source", "/a", "--source", "/b"},
       "--source: it was given twice; several mounts need a file with a [[mount]] for each"},
      {{"--config", file, "--source", "/c"}, text("--source: ", file, " has mounts of its own; add a [[mount]] there")},
      {{"--config", "/nowhere/c.toml"}, "cannot open /nowhere/c.toml: No such file or directory"},
  };
  for (const auto& [arguments, expected] : cases) {
    const auto parsed = parse(arguments);
    ASSERT_TRUE(test::has_kind(parsed, base::ErrorKind::invalid)) << expected;
    EXPECT_EQ(parsed.error().what, expected);
  }
}

}  // namespace
}  // namespace arenacache::config
