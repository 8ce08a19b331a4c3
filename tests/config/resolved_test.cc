// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/resolved.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "arenacache/base/units.h"
#include "arenacache/config/config.h"
#include "arenacache/config/load.h"
#include "arenacache/config/options.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::config {
namespace {

using namespace std::chrono_literals;
using test::must;

void expect_same(Config left, Config right) {
  EXPECT_EQ(left.file, right.file);
  ASSERT_EQ(left.mounts.size(), right.mounts.size());
  ASSERT_EQ(left.tiers.size(), right.tiers.size());
  for (const Option& option : options()) {
    if (option.table == "tier") {
      for (std::size_t index = 0; index < left.tiers.size(); ++index) {
        EXPECT_TRUE(option.access.same(target_of(left.tiers[index]), target_of(right.tiers[index])))
            << index << ' ' << key_of(option);
      }
    } else if (option.table != "mount") {
      EXPECT_TRUE(option.access.same(target_of(left), target_of(right))) << key_of(option);
    }
    if (option.table != "mount" && !option.is_per_mount) continue;
    for (std::size_t index = 0; index < left.mounts.size(); ++index) {
      EXPECT_TRUE(option.access.same(target_of(left.mounts[index]), target_of(right.mounts[index])))
          << index << ' ' << key_of(option);
    }
  }
}

Config two_mounts() {
  Config config;
  config.file = "/etc/a b\\c\n.toml";
  config.store.path = "/s";
  config.mounts.push_back({.name = "a", .source = "/a", .mountpoint = "/ma", .cache = {}, .fill = {}, .origin = {}});
  config.mounts.push_back(
      {.name = "b", .source = "/b\t${HOME}", .mountpoint = "/mb", .cache = {}, .fill = {}, .origin = {}});
  return config;
}

/// Every field is another than the default.
Config unusual() {
  Config config = two_mounts();
  config.daemon = {.socket = "/sock", .socket_group = "g", .log_level = base::LogLevel::off, .crash_window = 1ns};
  config.store.capacity = {.bytes = 0, .percent = 100.0 / 3};
  config.store.keep_free = {.bytes = 12345678901, .percent = 0};
  config.cache = {.mode = CacheMode::use_only,
                  .policy = "lru",
                  .min_size = INT64_MAX,
                  .small = {.bytes = 1, .percent = 0},
                  .include = {"a,b", "", "{c,d}", "e\tf\\g\nh\\n", std::string("i\0j", 3)},
                  .exclude = {""},
                  .ignore_commands = {},
                  .metadata_ttl = 0ns,
                  .settle = 59min,
                  .patience = 7ms,
                  .serve_stale = false,
                  .promote_after = 7};
  config.fill = {.threads = 9, .parallel = 3, .bandwidth_limit = 5, .on_write = true};
  config.origin = {
      .timeout = 100ms, .read_timeout = 0ns, .fidelity = FidelityChoice::path, .kind = OriginKind::automatic};
  config.fuse = {.readahead = 0, .threads = 5, .passthrough = Passthrough::off, .source_name = "store"};
  config.ram = {.capacity = {.bytes = 0, .percent = 0.1}, .chunks = 1};
  config.pack = {.threads = 0, .ahead = {.bytes = 3, .percent = 0}};
  config.tiers = {{.name = "first",
                   .path = "/t\t[tier]\n",
                   .capacity = {.bytes = 0, .percent = 0.3},
                   .keep_free = {.bytes = 1, .percent = 0},
                   .level = PackLevel::store},
                  {.name = "next", .path = "/n", .capacity = {.bytes = 4, .percent = 0}}};
  config.scrub.interval = 0ns;
  for (MountConfig& mount : config.mounts) {
    mount.cache = config.cache;
    mount.fill = config.fill;
    mount.origin = config.origin;
  }
  return config;
}

TEST(Resolved, WhatIsWrittenIsReadAgain) {
  expect_same(must(read_resolved(write_resolved(two_mounts()))), two_mounts());
  expect_same(must(read_resolved(write_resolved(unusual()))), unusual());
}

TEST(Resolved, NoFieldOfTheSampleIsAtItsDefault) {
  Config sample = unusual();
  Config defaults;
  MountConfig plain;
  for (const Option& option : options()) {
    if (option.choices.size() == 1) continue;  // there is no other
    if (option.table == "tier") {
      TierConfig tier;
      EXPECT_FALSE(option.access.same(target_of(sample.tiers[0]), target_of(tier))) << key_of(option);
      continue;
    }
    const bool is_mount = option.table == "mount";
    EXPECT_FALSE(option.access.same(is_mount ? target_of(sample.mounts[0]) : target_of(sample),
                                    is_mount ? target_of(plain) : target_of(defaults)))
        << key_of(option);
  }
}

TEST(Resolved, AMountMayDifferFromTheTablesInBothWays) {
  Config config = unusual();
  config.mounts[0].cache = CacheConfig{};
  config.mounts[1].cache.include = {};
  config.mounts[1].cache.settle.reset();
  expect_same(must(read_resolved(write_resolved(config))), config);
}

TEST(Resolved, DefaultsAreNotWrittenAndSoAreTheReadersOwn) {
  const std::string text = write_resolved(two_mounts());
  EXPECT_EQ(text,
            "file=/etc/a b\\\\c\\n.toml\nstore.path=/s\n"
            "[mount]\nmount.name=a\nmount.source=/a\nmount.mountpoint=/ma\n"
            "[mount]\nmount.name=b\nmount.source=/b\\t${HOME}\nmount.mountpoint=/mb\n");
}

TEST(Resolved, WhatTheEnvironmentGaveIsKeptAsItWas) {
  const test::TempDir folder;
  ASSERT_EQ(::setenv("ARENACACHE_RESOLVED_TEST", "/from ${the} environment", 1), 0);  // NOLINT(concurrency-mt-unsafe)
  const std::string file = folder.write_file(
      "config.toml",
      "[store]\npath = \"${ARENACACHE_RESOLVED_TEST}\"\n[[mount]]\nsource = \"/a\"\nmountpoint = \"/Models\"\n");
  const Config config = must(load_file(file));
  ASSERT_EQ(::unsetenv("ARENACACHE_RESOLVED_TEST"), 0);  // NOLINT(concurrency-mt-unsafe)
  const Config read = must(read_resolved(write_resolved(config)));
  EXPECT_EQ(read.store.path, "/from ${the} environment");
  EXPECT_EQ(read.mounts[0].name, "models");
  expect_same(read, config);
}

TEST(Resolved, WhatAnotherBuildWroteIsRefused) {
  const std::string text = write_resolved(two_mounts());
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    const auto read = read_resolved(std::string_view(text).substr(0, cut));
    EXPECT_TRUE(!read || text[cut - 1] == '\n') << cut;
  }
  for (const char* line :
       {"store.colour=red\n", "colour\n", "store.path\n", "store.path=/other\n", "cache.mode=mad\n"}) {
    const auto read = read_resolved(text + line);
    ASSERT_FALSE(read.has_value()) << line;
    EXPECT_EQ(read.error().kind, base::ErrorKind::invalid);
  }
  EXPECT_FALSE(read_resolved("file=\nmount.name=a\n").has_value());
}

}  // namespace
}  // namespace arenacache::config
