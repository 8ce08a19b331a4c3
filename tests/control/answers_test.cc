// SPDX-License-Identifier: Apache-2.0
#include "answers.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

namespace arenacache::control {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

cache::EngineStats numbers() {
  cache::EngineStats stats;
  stats.mode = config::CacheMode::use_only;
  stats.opens_total = 5;
  stats.opens_hit = 3;
  stats.opens_miss = 2;
  stats.opens_ignored = 1;
  stats.reads_hit = 9;
  stats.reads_miss = 1;
  stats.hit_bytes = 300;
  stats.miss_bytes = 100;
  stats.origins = {{.mount = "models", .read_bytes = 100, .read_ops = 2, .errors = 1, .timeouts = 0, .lost_threads = 0},
                   {.mount = "ckpt", .read_bytes = 50, .read_ops = 1, .errors = 0, .timeouts = 2, .lost_threads = 3}};
  stats.tiers = {
      {.name = "raw", .kind = "raw", .capacity_bytes = 1000, .used_bytes = 400, .objects = 4, .resident = 3}};
  stats.fills_completed = 7;
  stats.evicted_objects = 8;
  stats.warning = "all is full";
  stats.lifetime = {{"opens", 50}};
  return stats;
}

TEST(StatsAnswer, HasEveryFieldThatIsPromised) {
  const json answer = stats_answer(numbers(), {}, 90s + 500ms, "1.2.3");
  for (const char* place : {"/uptime_s",
                            "/mode",
                            "/mounts",
                            "/opens/total",
                            "/opens/hit",
                            "/opens/miss",
                            "/opens/ignored",
                            "/opens/passthrough",
                            "/opens/served",
                            "/passthrough/available",
                            "/passthrough/reason",
                            "/reads/hit",
                            "/reads/miss",
                            "/reads/hit_bytes",
                            "/reads/miss_bytes",
                            "/hit_ratio",
                            "/byte_hit_ratio",
                            "/origin/read_bytes",
                            "/origin/read_ops",
                            "/origin/errors",
                            "/tiers/0/name",
                            "/tiers/0/kind",
                            "/tiers/0/capacity_bytes",
                            "/tiers/0/used_bytes",
                            "/tiers/0/objects",
                            "/tiers/0/resident",
                            "/fills/active",
                            "/fills/queued",
                            "/fills/completed",
                            "/fills/failed",
                            "/fills/bytes",
                            "/evictions/objects",
                            "/evictions/bytes",
                            "/checksum_errors",
                            "/lifetime",
                            "/warning",
                            "/store_usable",
                            "/version"}) {
    EXPECT_TRUE(answer.contains(json::json_pointer(place))) << place;
  }
  EXPECT_EQ(answer.at("mode"), "use-only");
  EXPECT_EQ(answer.at("uptime_s"), 90.5);
  EXPECT_EQ(answer.at("lifetime").at("opens"), 50);
}

TEST(StatsAnswer, RatiosAreNullWhereNothingWasRead) {
  const json some = stats_answer(numbers(), {}, 1s, "");
  EXPECT_DOUBLE_EQ(some.at("hit_ratio"), 0.9);
  EXPECT_DOUBLE_EQ(some.at("byte_hit_ratio"), 0.75);
  const json none = stats_answer({}, {}, 1s, "");
  EXPECT_TRUE(none.at("hit_ratio").is_null());
  EXPECT_TRUE(none.at("byte_hit_ratio").is_null());
}

TEST(StatsAnswer, SumsTheOriginsAndKeepsEachOne) {
  const json answer = stats_answer(numbers(),
                                   {{.name = "ckpt",
                                     .source = "/c",
                                     .mountpoint = "/m",
                                     .links_out = {{.path = "l", .target = "/out"}},
                                     .numbers_json = R"({"open_files": 4})"}},
                                   1s, "");
  EXPECT_EQ(answer.at("origin").at("read_bytes"), 150);
  EXPECT_EQ(answer.at("origin").at("lost_threads"), 3);
  const json& mount = answer.at("mounts").at(0);
  EXPECT_EQ(mount.at("origin").at("read_bytes"), 50);
  EXPECT_EQ(mount.at("links_out"), json::parse(R"([{"path": "l", "target": "/out"}])"));
  EXPECT_EQ(mount.at("open_files"), 4);
}

TEST(StatsAnswer, TellsTheHealthOfEachOrigin) {
  cache::EngineStats stats = numbers();
  stats.origins[1].health = origin::Health::down;
  stats.origins[1].in_health_for = 90s + 500ms;
  const MountAnswer models{.name = "models", .source = "/s", .mountpoint = "/m", .links_out = {}, .numbers_json = "{}"};
  const MountAnswer ckpt{.name = "ckpt", .source = "/c", .mountpoint = "/n", .links_out = {}, .numbers_json = "{}"};
  const json mounts = stats_answer(stats, {models, ckpt}, 1s, "").at("mounts");
  EXPECT_EQ(mounts.at(0).at("origin").at("health"), "up");
  EXPECT_EQ(mounts.at(1).at("origin").at("health"), "down");
  EXPECT_EQ(mounts.at(1).at("origin").at("health_for_s"), 90.5);
  EXPECT_EQ(mounts.at(1).at("origin").at("lost_threads"), 3);
}

TEST(StatsAnswer, NumbersThatCannotBeReadAreLeftOut) {
  const json answer = stats_answer(
      {}, {{.name = "a", .source = "/", .mountpoint = "/", .links_out = {}, .numbers_json = "nonsense"}}, 1s, "");
  EXPECT_EQ(answer.at("mounts").at(0).at("name"), "a");
}

TEST(ModeWords, GoBothWays) {
  for (const auto mode : {config::CacheMode::active, config::CacheMode::use_only, config::CacheMode::off}) {
    EXPECT_EQ(mode_of(mode_word(mode)), mode);
  }
  EXPECT_EQ(mode_of("fast"), std::nullopt);
}

}  // namespace
}  // namespace arenacache::control
