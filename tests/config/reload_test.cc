// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/reload.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
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
  config.tiers.push_back({.name = "packed", .path = "/s/packed", .capacity = {.bytes = 7, .percent = 0}});
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

TEST(Reload, a_tiers_limits_may_change_and_nothing_else_of_it) {
  Config running = sample();
  Config fresh = sample();
  fresh.tiers[0].capacity = {.bytes = 9, .percent = 0};
  fresh.tiers[0].keep_free = {.bytes = 1, .percent = 0};
  fresh.pack.threads = 3;
  EXPECT_EQ(apply_reloadable(running, fresh), Keys{});
  EXPECT_EQ(running.tiers[0].capacity.bytes, 9U);
  EXPECT_EQ(running.tiers[0].keep_free.bytes, 1U);
  EXPECT_EQ(running.pack.threads, 3U);
  fresh.tiers[0].level = PackLevel::high;
  fresh.tiers.push_back({.name = "disk", .path = "/d"});
  EXPECT_EQ(apply_reloadable(running, fresh), (Keys{"tier.packed.level", "tier.disk"}));
  EXPECT_EQ(running.tiers.size(), 1U);
  EXPECT_EQ(running.tiers[0].level, PackLevel::fast);
  fresh.tiers.clear();
  EXPECT_EQ(apply_reloadable(running, fresh), Keys{"tier.packed"});
}

TEST(Reload, the_same_mounts_may_come_in_another_order) {
  const Config running = sample();
  Config fresh = sample();
  std::swap(fresh.mounts[0], fresh.mounts[1]);
  fresh.mounts[0].cache.mode = CacheMode::off;
  EXPECT_TRUE(check_same_mounts(running, fresh).has_value());
}

TEST(Reload, a_mount_that_lies_elsewhere_is_another) {
  const Config running = sample();
  const auto refusal = [&](auto change) {
    Config fresh = sample();
    change(fresh);
    const auto checked = check_same_mounts(running, fresh);
    return checked ? std::string() : checked.error().what;
  };
  const std::string advice = ": stop the daemon and start it again";
  EXPECT_EQ(refusal([](Config& fresh) { fresh.mounts[1].source = "/c"; }),
            "the configuration names another source for the mount \"b\" now, /c" + advice);
  EXPECT_EQ(refusal([](Config& fresh) { fresh.mounts[0].mountpoint = "/c"; }),
            "the configuration names another mountpoint for the mount \"a\" now, /c" + advice);
  EXPECT_EQ(refusal([](Config& fresh) { fresh.mounts.pop_back(); }),
            "the configuration has no mount \"b\" now" + advice);
  EXPECT_EQ(refusal([](Config& fresh) {
              fresh.mounts.push_back(fresh.mounts[0]);
              fresh.mounts[2].name = "c";
            }),
            "the configuration has a mount \"c\" that is not mounted" + advice);
}

TEST(Reload, every_option_can_be_compared_and_copied) {
  Config left = sample();
  Config right = sample();
  const auto target = [](Config& config, const Option& option, std::size_t mount) {
    if (option.table == "tier") return target_of(config.tiers[0]);
    return option.table == "mount" ? target_of(config.mounts[mount]) : target_of(config);
  };
  for (const Option& option : options()) {
    const OptionTarget from = target(left, option, 0);
    const OptionTarget to = target(right, option, 1);
    option.access.copy(from, to);
    EXPECT_TRUE(option.access.same(from, to)) << key_of(option);
  }
  EXPECT_EQ(right.mounts[1].source, "/a");
}

}  // namespace
}  // namespace arenacache::config
