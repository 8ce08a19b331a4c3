// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/reload.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/config/config.h"
#include "arenacache/config/options.h"

namespace arenacache::config {
namespace {

using namespace std::chrono_literals;

using Keys = std::vector<std::string>;

Config sample() {
  Config config;
  config.store.path = "/s";
  config.mounts.push_back({.name = "a", .source = "/a", .mountpoint = "/ma", .cache = {}, .fill = {}, .origin = {}});
  config.mounts.push_back({.name = "b", .source = "/b", .mountpoint = "/mb", .cache = {}, .fill = {}, .origin = {}});
  return config;
}

TEST(Reload, an_equal_config_changes_nothing) {
  Config running = sample();
  EXPECT_EQ(apply_reloadable(running, sample()), Keys{});
}

TEST(Reload, takes_over_what_may_change) {
  Config running = sample();
  Config fresh = sample();
  fresh.daemon.log_level = base::LogLevel::debug;
  fresh.store.capacity = {.bytes = 5, .percent = 0};
  fresh.cache.exclude = {"*.tmp"};
  fresh.mounts[1].cache.mode = CacheMode::off;
  fresh.mounts[1].cache.settle = 3s;
  EXPECT_EQ(apply_reloadable(running, fresh), Keys{});
  EXPECT_EQ(running.daemon.log_level, base::LogLevel::debug);
  EXPECT_EQ(running.store.capacity.bytes, 5U);
  EXPECT_EQ(running.cache.exclude, std::vector<std::string>{"*.tmp"});
  EXPECT_EQ(running.mounts[0].cache.mode, CacheMode::active);
  EXPECT_EQ(running.mounts[1].cache.mode, CacheMode::off);
  EXPECT_EQ(running.mounts[1].cache.settle, 3s);
}

TEST(Reload, names_what_needs_a_restart_and_leaves_it) {
  Config running = sample();
  Config fresh = sample();
  fresh.store.path = "/other";
  fresh.daemon.socket = "/other.sock";
  fresh.mounts[0].origin.kind = OriginKind::fast;
  EXPECT_EQ(apply_reloadable(running, fresh), (Keys{"daemon.socket", "store.path", "mount.a.origin.kind"}));
  EXPECT_EQ(running.store.path, "/s");
  EXPECT_EQ(running.mounts[0].origin.kind, OriginKind::slow);
}

TEST(Reload, names_a_key_that_mounts_inherit_once) {
  Config running = sample();
  Config fresh = sample();
  fresh.origin.timeout = 9s;
  for (MountConfig& mount : fresh.mounts) mount.origin.timeout = 9s;
  EXPECT_EQ(apply_reloadable(running, fresh), Keys{"origin.timeout"});
}

TEST(Reload, names_mounts_that_came_went_or_moved) {
  Config running = sample();
  Config fresh = sample();
  fresh.mounts[0].source = "/elsewhere";
  fresh.mounts[1].name = "c";
  EXPECT_EQ(apply_reloadable(running, fresh), (Keys{"mount.a", "mount.b", "mount.c"}));
  EXPECT_EQ(running.mounts[0].source, "/a");
}

TEST(Reload, every_option_can_be_compared_and_copied) {
  Config left = sample();
  Config right = sample();
  for (const Option& option : options()) {
    const bool is_mount = option.table == "mount";
    const OptionTarget from = is_mount ? target_of(left.mounts[0]) : target_of(left);
    const OptionTarget to = is_mount ? target_of(right.mounts[1]) : target_of(right);
    option.access.copy(from, to);
    EXPECT_TRUE(option.access.same(from, to)) << key_of(option);
  }
  EXPECT_EQ(right.mounts[1].source, "/a");
}

}  // namespace
}  // namespace arenacache::config
