// SPDX-License-Identifier: Apache-2.0
#include "views.h"

#include <gtest/gtest.h>

#include <string>

#include <nlohmann/json.hpp>

namespace arenacache::cli {
namespace {

using nlohmann::json;

json full_stats() {
  return json::parse(R"({
    "version": "0.1.0", "uptime_s": 11520.5, "mode": "active", "warning": "",
    "mounts": [{"name": "models", "source": "/nas/models", "mountpoint": "/home/u/ComfyUI/models",
                "links_out": [{"path": "checkpoints", "target": "/hdd/ckpt"}, {"path": "vae", "target": "/hdd/vae"}]},
               {"name": "ckpt", "source": "/hdd/c", "mountpoint": "/hdd/c", "links_out": []}],
    "opens": {"total": 1412, "hit": 1380, "miss": 32, "stale": 0, "ignored": 0, "passthrough": 1300, "served": 112},
    "passthrough": {"available": true, "reason": ""},
    "reads": {"hit": 900, "miss": 100, "hit_bytes": 3221225472, "miss_bytes": 1073741824},
    "hit_ratio": 0.9, "byte_hit_ratio": 0.75,
    "origin": {"read_bytes": 1073741824, "read_ops": 1024, "errors": 0},
    "tiers": [{"name": "raw", "kind": "raw", "capacity_bytes": 214748364800, "used_bytes": 161061273600, "objects": 38, "resident": 35}],
    "fills": {"active": 2, "queued": 5, "completed": 40, "failed": 0, "bytes": 2147483648},
    "evictions": {"objects": 3, "bytes": 1073741824},
    "ram": {"capacity_bytes": 17179869184, "used_bytes": 4294967296},
    "checksum_errors": 0, "store_errors": 0, "lifetime": {}})");
}

TEST(StatsView, TellsTheWholeStory) {
  EXPECT_EQ(stats_view(full_stats(), {}),
            "arenacache 0.1.0, up 3 h 12 m, mode active\n"
            "\n"
            "Mounts\n"
            "  models  /nas/models at /home/u/ComfyUI/models\n"
            "  ckpt    /hdd/c (over itself)\n"
            "  ! 2 symlinks lead out, what is behind is not cached: checkpoints -> /hdd/ckpt, vae -> /hdd/vae\n"
            "\n"
            "Store\n"
            "  raw  [##################------]  150.0 GiB of 200.0 GiB  75.0 %  38 files, 35 resident\n"
            "  ram  4.0 GiB of its files in memory, at most 16.0 GiB are read ahead\n"
            "\n"
            "Since the start\n"
            "  opens      1,412: 1,380 hit (97.7 %), 32 miss\n"
            "  read       1,300 by the kernel, 112 by the daemon\n"
            "  reads      3.0 GiB hit, 1.0 GiB miss: 90.0 % of reads, 75.0 % of bytes\n"
            "  fills      2.0 GiB copied: 40 complete, 2 active, 5 queued, 0 failed\n"
            "  origin     1.0 GiB in 1,024 reads, 0 errors\n"
            "  evictions  3 files, 1.0 GiB\n");
}

TEST(StatsView, TellsWhatIsWrong) {
  json stats = full_stats();
  stats["warning"] = "programs hold 190 GiB open, the capacity is 200 GiB";
  stats["checksum_errors"] = 1;
  stats["store_errors"] = 2;
  stats["origin"]["lost_threads"] = 3;
  const std::string view = stats_view(stats, {});
  EXPECT_TRUE(
      view.ends_with("! programs hold 190 GiB open, the capacity is 200 GiB\n"
                     "! 1 checksum error: stored bytes were damaged, and fetched again\n"
                     "! 2 store errors: the store's disk failed, the source was read\n"
                     "! the source does not answer: 3 calls never came back\n"))
      << view;
}

TEST(StatsView, TellsOfAScrubThatRunsOrFoundSomething) {
  json stats = full_stats();
  stats["scrub"] = {{"active", true},
                    {"checked_bytes", 1U << 30U},
                    {"total_bytes", 1U << 31U},
                    {"bad_blocks", 2},
                    {"last_finished", nullptr}};
  const std::string view = stats_view(stats, {});
  EXPECT_TRUE(view.contains("  scrub  1.0 GiB of 2.0 GiB checked\n  ! scrubs found 2 damaged blocks\n")) << view;
}

TEST(StatsView, NamesTheMountWhoseSourceIsAway) {
  json stats = full_stats();
  stats["mounts"][0]["origin"] = {{"health", "down"}, {"health_for_s", 200.5}};
  stats["mounts"][1]["origin"] = {{"health", "degraded"}, {"health_for_s", 70.0}};
  const std::string view = stats_view(stats, {});
  EXPECT_TRUE(view.contains("\n  ! models: the source does not answer, since 3 m 20 s\n")) << view;
  EXPECT_TRUE(view.contains("\n  ! ckpt: some calls to the source do not come back, since 1 m 10 s\n")) << view;
  stats["mounts"][0]["origin"]["health"] = "up";
  EXPECT_FALSE(stats_view(stats, {}).contains("! models:"));
}

TEST(StatsView, ShowsNoRatioWhereNothingWasRead) {
  json stats = full_stats();
  stats["reads"] = {{"hit", 0}, {"miss", 0}, {"hit_bytes", 0}, {"miss_bytes", 0}};
  stats["hit_ratio"] = nullptr;
  stats["byte_hit_ratio"] = nullptr;
  stats["opens"] = {{"total", 0}, {"hit", 0}, {"miss", 0}};
  const std::string view = stats_view(stats, {});
  EXPECT_TRUE(view.contains("  opens      0: 0 hit, 0 miss\n")) << view;
  EXPECT_TRUE(view.contains("  reads      none served by the daemon\n")) << view;
}

TEST(StatsView, SurvivesAnAnswerWithNothingInIt) { EXPECT_FALSE(stats_view(json::object(), {}).empty()); }

TEST(StatsView, ColoursOnlyWhenAsked) {
  EXPECT_FALSE(stats_view(full_stats(), {}).contains('\033'));
  EXPECT_TRUE(stats_view(full_stats(), {.has_colour = true}).contains("mode \033[32mactive\033[0m"));
}

TEST(StatsView, TellsWhatPackingSaves) {
  json stats = full_stats();
  stats["tiers"].push_back(json::parse(R"({
    "name": "packed", "kind": "packed", "capacity_bytes": 107374182400, "used_bytes": 53687091200, "objects": 21,
    "resident": 0, "logical_bytes": 85899345920, "unique_bytes": 75161927680,
    "saved": {"sharing_bytes": 10737418240, "delta_bytes": 1073741824, "codec_bytes": 20401094656},
    "encode_bytes_per_s": 850000000.0, "decode_bytes_per_s": 2100000000.0})"));
  const std::string view = stats_view(stats, {});
  EXPECT_TRUE(view.contains(
      "  packed  [############------------]  50.0 GiB of 100.0 GiB   50.0 %  21 files\n"
      "  packed holds 80.0 GiB of files, 10.0 GiB less by sharing, 1.0 GiB by differences, 19.0 GiB by the codec\n"
      "  packed packs at 850 MB/s, unpacks at 2.1 GB/s a thread\n"))
      << view;
  stats["tiers"][1]["encode_bytes_per_s"] = nullptr;
  EXPECT_TRUE(stats_view(stats, {}).contains("\n  packed unpacks at 2.1 GB/s a thread\n"));
  stats["tiers"][1]["logical_bytes"] = 0;
  EXPECT_FALSE(stats_view(stats, {}).contains("packed holds"));
}

TEST(StatsView, TellsWhatTheRawTierSavesBySharing) {
  json stats = full_stats();
  EXPECT_FALSE(stats_view(stats, {}).contains("sharing"));
  stats["tiers"][0]["saved"] = {{"sharing_bytes", 10737418240}};
  EXPECT_TRUE(stats_view(stats, {}).contains("\n  raw takes 10.0 GiB less by sharing\n")) << stats_view(stats, {});
}

json object(const char* path, const char* state, std::uint64_t size, std::uint64_t cached) {
  return {{"mount", "models"}, {"path", path}, {"state", state},  {"size_bytes", size}, {"cached_bytes", cached},
          {"last_use_s", 0},   {"uses", 1},    {"pinned", false}, {"filling", false}};
}

TEST(LsView, ShowsTiersWhereThereArePackedFiles) {
  json objects = {object("a", "packed", 1000, 660), object("b", "resident", 1000, 1000),
                  object("c", "resident", 1000, 1000)};
  objects[0].update({{"tier", "hdd"}, {"stored_bytes", 330}, {"shared_bytes", 500}});
  objects[1].update({{"tier", "ssd"}, {"stored_bytes", 660}, {"shared_bytes", 0}});
  EXPECT_EQ(ls_view(objects, 100'000, {}),
            "STATE       SIZE  CACHED  IN RAM  LAST USE  USES  PIN  TIER       RATIO  SHARED  PATH\n"
            "packed    1000 B   660 B       -     never     1       hdd       66.0 %   500 B  a\n"
            "resident  1000 B  1000 B       -     never     1       raw, ssd  66.0 %       -  b\n"
            "resident  1000 B  1000 B       -     never     1       raw            -       -  c\n"
            "3 files, 2.6 KiB in the store\n");
}

TEST(LsView, ShowsWhatFilesOfTheRawTierShare) {
  json objects = {object("a", "resident", 1000, 1000), object("b", "resident", 1000, 1000)};
  objects[0]["raw_shared_bytes"] = 1000;
  EXPECT_EQ(ls_view(objects, 100'000, {}),
            "STATE       SIZE  CACHED  IN RAM  LAST USE  USES  PIN  SHARED  PATH\n"
            "resident  1000 B  1000 B       -     never     1       1000 B  a\n"
            "resident  1000 B  1000 B       -     never     1            -  b\n"
            "2 files, 2.0 KiB in the store\n");
}

TEST(LsView, ShowsALineForEachObjectAndTheSum) {
  json objects = {object("checkpoints/sdxl.safetensors", "resident", 6938040682, 6938040682),
                  object("loras/detail.safetensors", "filling", 104857600, 44040192),
                  object("vae/a.pt", "filling", 100, 50)};
  objects[0]["last_use_s"] = 100'000 - 3 * 3600;
  objects[0]["uses"] = 1234;
  objects[0]["pinned"] = true;
  objects[0]["ram_bytes"] = std::uint64_t{2} << 30U;
  objects[1]["filling"] = true;
  objects[1]["last_use_s"] = 99'990;
  EXPECT_EQ(ls_view(objects, 100'000, {}),
            "STATE              SIZE    CACHED   IN RAM  LAST USE   USES  PIN  PATH\n"
            "resident        6.5 GiB   6.5 GiB  2.0 GiB   3 h ago  1,234  pin  checkpoints/sdxl.safetensors\n"
            "filling 42 %  100.0 MiB  42.0 MiB        -  just now      1       loras/detail.safetensors\n"
            "partial 50 %      100 B      50 B        -     never      1       vae/a.pt\n"
            "3 files, 6.5 GiB in the store\n");
}

TEST(LsView, WhatIsAllThereIsCompleteBeforeItIsResident) {
  const std::string view = ls_view(json::array({object("a", "filling", 10, 10)}), 0, {});
  EXPECT_TRUE(view.contains("\ncomplete  10 B")) << view;
}

TEST(LsView, NamesTheMountWhereThereAreSeveral) {
  json objects = {object("a", "resident", 1, 1), object("b", "resident", 1, 1)};
  objects[1]["mount"] = "ckpt";
  const std::string view = ls_view(objects, 0, {});
  EXPECT_TRUE(view.contains("models  a\n")) << view;
  EXPECT_TRUE(view.contains("ckpt    b\n")) << view;
}

TEST(LsView, SaysThatThereIsNothing) { EXPECT_EQ(ls_view(json::array(), 0, {}), "Nothing in the store.\n"); }

TEST(LsView, TellsHowLongAgo) {
  EXPECT_EQ(format_ago(0, 1000), "never");
  EXPECT_EQ(format_ago(1000, 1059), "just now");
  EXPECT_EQ(format_ago(1000, 900), "just now") << "a clock that was set back";
  EXPECT_EQ(format_ago(1000, 1060), "1 m ago");
  EXPECT_EQ(format_ago(1000, 1000 + 47 * 3600), "47 h ago");
  EXPECT_EQ(format_ago(1000, 1000 + 12 * 86400), "12 d ago");
}

}  // namespace
}  // namespace arenacache::cli
