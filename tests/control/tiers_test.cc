// SPDX-License-Identifier: Apache-2.0
// pack, unpack, tier_move and estimate over the socket, on a real engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/units.h"
#include "control_rig.h"
#include "model/archive_files.h"
#include "support/matchers.h"

namespace arenacache::control {
namespace {

using base::ErrorKind;
using nlohmann::json;
using test::ControlRig;
using test::has_kind;
using test::OriginCall;

constexpr std::size_t kWeights = 1'500'000;

class TiersTest : public testing::Test {
 protected:
  TiersTest() {
    auto& origin = rig_.add_mount("models", "/nas/models", "/home/u/models");
    origin.put("checkpoints/a.bin", test::float_bytes(test::FloatKind::bf16, kWeights, 1));
    origin.put("checkpoints/b.bin", test::float_bytes(test::FloatKind::bf16, kWeights, 2));
    origin.put("notes/c.txt", std::string(100'000, 'n'));
  }

  void start_with_tiers() {
    rig_.config().tiers.push_back(tier("ssd"));
    rig_.config().tiers.push_back(tier("hdd"));
    rig_.config().cache.promote_after = 0;
    rig_.start();
  }

  /// Copies all, and waits until it is committed.
  void fill() {
    rig_.prefetch({"."});
    rig_.ask_until("ls", json::object(), [](const json& listing) {
      return std::ranges::all_of(listing.at("objects"),
                                 [](const json& object) { return object.at("state") == "resident"; });
    });
  }

  /// Begins, and waits for the end.
  json run(const std::string& method, json params) {
    const json begun = rig_.answer(method, params);
    return rig_.ask_until("progress", {{"job", begun.at("job")}},
                          [](const json& now) { return now.at("state") == "done"; });
  }

  json object(const std::string& path) {
    const json objects = rig_.answer("ls", {{"path", path}}).at("objects");
    return objects.size() == 1 ? objects[0] : json();
  }

  ControlRig rig_;

 private:
  config::TierConfig tier(const std::string& name) {
    return {.name = name,
            .path = rig_.path(name),
            .capacity = {.bytes = 64 * base::kMiB, .percent = 0},
            .keep_free = {.bytes = 0, .percent = 0}};
  }
};

TEST_F(TiersTest, EstimatesAFolderAndChangesNothing) {
  rig_.start();
  const json job = run("estimate", {{"paths", {"."}}});
  EXPECT_EQ(job.at("files"), json::parse(R"({"total": 3, "done": 3, "failed": 0, "skipped": 0})"));
  EXPECT_EQ(job.at("bytes").at("total"), 2 * 2 * kWeights + 100'000);
  EXPECT_EQ(job.at("bytes").at("done"), job.at("bytes").at("total"));
  const json& estimates = job.at("estimates");
  ASSERT_EQ(estimates.size(), 3U);
  EXPECT_EQ(estimates[0].at("path"), "checkpoints/a.bin");
  EXPECT_EQ(estimates[0].at("types"), "BF16 100 %");
  EXPECT_LT(estimates[0].at("packed_bytes"), 2 * kWeights * 3 / 4);
  EXPECT_EQ(estimates[2].at("types"), "");
  EXPECT_EQ(job.at("totals").at("size_bytes"), job.at("bytes").at("total"));
  EXPECT_EQ(job.at("totals").at("files"), 3);
  EXPECT_TRUE(rig_.listed().empty());
}

TEST_F(TiersTest, AFileThatCannotBeReadIsToldWithItsReason) {
  rig_.start();
  rig_.origin().fail_next(OriginCall::open, 1000, EACCES);
  const json job = run("estimate", {{"paths", {"notes"}}});
  EXPECT_EQ(job.at("files").at("failed"), 1);
  EXPECT_FALSE(job.at("failures").at(0).at("reason").get<std::string>().empty());
  EXPECT_TRUE(job.at("estimates").empty());
}

TEST_F(TiersTest, EndsWhileAnEstimateHangs) {
  rig_.start();
  rig_.origin().close_gate(OriginCall::read);
  rig_.answer("estimate", {{"paths", {"checkpoints"}}});
  ASSERT_TRUE(rig_.origin().await_held(OriginCall::read, 1));
  rig_.stop_control();
}

TEST_F(TiersTest, WithoutAPackedTierASentenceTellsHowToGetOne) {
  rig_.start();
  for (const char* method : {"pack", "unpack", "tier_move"}) {
    const auto answer = rig_.ask(method, {{"paths", {"."}}, {"tier", "ssd"}});
    ASSERT_TRUE(has_kind(answer, ErrorKind::invalid)) << method;
    EXPECT_TRUE(answer.error().what.contains("[[tier]]")) << answer.error().what;
  }
}

TEST_F(TiersTest, ATierThatIsNoneIsRefusedWithThoseThatAre) {
  start_with_tiers();
  const auto answer = rig_.ask("tier_move", {{"paths", {"."}}, {"tier", "tape"}});
  ASSERT_TRUE(has_kind(answer, ErrorKind::invalid));
  EXPECT_EQ(answer.error().what, "there is no tier \"tape\": there are raw, ssd, hdd");
  EXPECT_TRUE(has_kind(rig_.ask("tier_move", {{"paths", {"."}}}), ErrorKind::invalid));
  EXPECT_TRUE(has_kind(rig_.ask("pack", {{"paths", {"nowhere"}}}), ErrorKind::invalid));
}

TEST_F(TiersTest, PacksMovesAndUnpacks) {
  start_with_tiers();
  fill();
  const json packed = run("pack", {{"paths", {"checkpoints", "checkpoints/a.bin"}}});
  EXPECT_EQ(packed.at("files"), json::parse(R"({"total": 2, "done": 2, "failed": 0, "skipped": 0})")) << packed;
  EXPECT_EQ(packed.at("bytes"), (json{{"total", 4 * kWeights}, {"done", 4 * kWeights}}));
  json a = object("checkpoints/a.bin");
  EXPECT_EQ(a.at("state"), "packed");
  EXPECT_EQ(a.at("tier"), "ssd");
  EXPECT_GT(a.at("stored_bytes"), kWeights);
  EXPECT_LT(a.at("stored_bytes"), 2 * kWeights * 3 / 4);

  const json stats = rig_.answer("stats").at("tiers");
  ASSERT_EQ(stats.size(), 3U);
  EXPECT_EQ(stats[1].at("name"), "ssd");
  EXPECT_EQ(stats[1].at("objects"), 2);
  EXPECT_EQ(stats[1].at("logical_bytes"), 4 * kWeights);
  EXPECT_GT(stats[1].at("saved").at("codec_bytes"), kWeights);
  EXPECT_GT(stats[1].at("encode_bytes_per_s"), 0);

  const json moved = run("tier_move", {{"paths", {"checkpoints/a.bin"}}, {"tier", "hdd"}});
  EXPECT_EQ(moved.at("files").at("done"), 1) << moved;
  EXPECT_EQ(object("checkpoints/a.bin").at("tier"), "hdd");

  const json unpacked = run("unpack", {{"paths", {"checkpoints/a.bin"}}});
  EXPECT_EQ(unpacked.at("files").at("done"), 1) << unpacked;
  a = object("checkpoints/a.bin");
  EXPECT_EQ(a.at("state"), "resident");
  EXPECT_EQ(object("checkpoints/b.bin").at("tier"), "ssd");
}

TEST_F(TiersTest, WhatIsNotInTheStoreIsToldAsAFailure) {
  start_with_tiers();
  const json job = run("pack", {{"paths", {"checkpoints"}}});
  EXPECT_EQ(job.at("files"), json::parse(R"({"total": 1, "done": 0, "failed": 1, "skipped": 0})"));
  EXPECT_EQ(job.at("failures").at(0).at("path"), "checkpoints");
}

TEST_F(TiersTest, TheSameFileUnderTwoNamesIsStoredOnce) {
  rig_.origin().put("loras/again.bin", test::float_bytes(test::FloatKind::bf16, kWeights, 1));
  start_with_tiers();
  fill();
  const json job = run("pack", {{"paths", {"checkpoints/a.bin", "loras"}}});
  EXPECT_EQ(job.at("files").at("failed"), 0) << job;
  EXPECT_EQ(object("checkpoints/a.bin").at("shared_bytes"), 2 * kWeights);
  const json tier = rig_.answer("stats").at("tiers").at(1);
  EXPECT_EQ(tier.at("saved").at("sharing_bytes"), 2 * kWeights);
}

}  // namespace
}  // namespace arenacache::control
