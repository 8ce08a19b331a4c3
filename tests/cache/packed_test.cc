// SPDX-License-Identifier: Apache-2.0
// Objects in packed tiers, through the engine: they get there, are read there, come back, and go with what changes.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "arenacache/base/text.h"
#include "cache/packed_fixture.h"
#include "support/store_files.h"

namespace arenacache::cache {
namespace {

TEST_F(PackedTest, WhatIsPackedIsReadWithoutTheOriginAndWithoutARawFile) {
  put("a");
  start();
  pack("a");
  EXPECT_EQ(raw_files(), 0U);
  EXPECT_EQ(manifests(), 1U);
  expect_hit("a");
  EXPECT_FALSE(open("a")->backing().has_value());
  const auto shown = info("a");
  EXPECT_EQ(shown.tier, "packed");
  EXPECT_EQ(shown.cached_bytes, kSize);
  EXPECT_GT(shown.stored_bytes, 0U);
  const auto stats = engine_->stats();
  ASSERT_EQ(stats.tiers.size(), 2U);
  EXPECT_EQ(stats.tiers[0].objects, 0U);
  EXPECT_EQ(stats.tiers[1].kind, "packed");
  EXPECT_EQ(stats.tiers[1].objects, 1U);
  EXPECT_EQ(stats.tiers[1].logical_bytes, kSize);
  EXPECT_GE(stats.tiers[1].encoded_bytes, kSize);
  EXPECT_GE(stats.tiers[1].decoded_bytes, kSize);
  EXPECT_TRUE(engine_->prefetch(ref("a")));
  EXPECT_EQ(engine_->prefetch_progress(source_, "a").state, PrefetchState::done);
  EXPECT_EQ(engine_->tier_names(), (std::vector<std::string>{"raw", "packed"}));
}

TEST_F(PackedTest, AHungOriginDoesNotHoldUpAHit) {
  const std::string content = put("a");
  start();
  pack("a");
  const auto reader = open("a");
  origin_->close_gate(test::OriginCall::read);
  EXPECT_TRUE(read(*reader, 3 * kMiB, kMiB) == content.substr(3 * kMiB, kMiB));
}

TEST_F(PackedTest, RestartsKeepIt) {
  put("a");
  start();
  pack("a");
  restart();
  expect_hit("a");
  EXPECT_EQ(info("a").state, ObjectState::packed);
}

TEST_F(PackedTest, UnpackedItIsResidentAgainAndKeepsItsCopy) {
  const std::string content = put("a");
  start();
  pack("a");
  const auto old = open("a");
  const auto done = do_task("a", TierTask::unpack);
  EXPECT_EQ(done.state, PrefetchState::done) << done.reason;
  EXPECT_EQ(info("a").state, ObjectState::resident);
  EXPECT_EQ(info("a").tier, "packed");
  EXPECT_EQ(raw_files(), 1U);
  EXPECT_EQ(manifests(), 1U);
  EXPECT_TRUE(read(*old, kMiB, 5000) == content.substr(kMiB, 5000)) << "who has it open reads on";
  EXPECT_FALSE(old->backing().has_value());
  EXPECT_TRUE(open("a")->backing().has_value()) << "the next open is the kernel's";
  expect_hit("a");
  EXPECT_EQ(do_task("a", TierTask::pack).state, PrefetchState::done) << "nothing is packed anew";
  EXPECT_EQ(engine_->stats().tiers[1].encoded_bytes, kSize);
  EXPECT_EQ(raw_files(), 0U);
}

TEST_F(PackedTest, UsedTwiceInADayItComesBack) {
  config_.cache.promote_after = 2;
  put("a");
  start();
  pack("a");
  restart();
  read_all("a");
  await_resident("a");
  EXPECT_EQ(raw_files(), 1U);
  EXPECT_TRUE(open("a")->backing().has_value());
}

TEST_F(PackedTest, WhereNothingMayBeAddedItIsReadAndStaysAsItIs) {
  config_.cache.promote_after = 1;
  put("a");
  put("b");
  start();
  fill("b");
  fill("a");
  EXPECT_EQ(do_task("a", TierTask::pack).state, PrefetchState::done);
  engine_->set_mode(config::CacheMode::use_only);
  expect_hit("a");
  EXPECT_EQ(info("a").state, ObjectState::packed);
  EXPECT_EQ(do_task("b", TierTask::pack).state, PrefetchState::skipped);
  EXPECT_EQ(do_task("a", TierTask::unpack).state, PrefetchState::skipped);
  engine_->set_mode(config::CacheMode::active);
  engine_->pin(source_, "b");
  EXPECT_EQ(do_task("b", TierTask::pack).reason, "it is pinned");
  EXPECT_EQ(do_task("nothing", TierTask::pack).state, PrefetchState::skipped);
}

TEST_F(PackedTest, WhatHasNotSettledIsPackedOnceItHas) {
  put("a");
  start();
  origin_->close_gate(test::OriginCall::stat);  // it is looked at once more before it counts as settled
  engine_->prefetch(ref("a"));
  EXPECT_TRUE(engine_->start_tier_task(source_, "a", TierTask::pack, {})) << "while it is copied";
  eventually("it is copied", [&] { return info("a").cached_bytes == kSize && !info("a").is_filling_now; });
  EXPECT_TRUE(engine_->start_tier_task(source_, "a", TierTask::pack, {})) << "and not settled";
  EXPECT_EQ(engine_->tier_progress(source_, "a").state, PrefetchState::queued);
  origin_->open_all_gates();
  eventually("it is packed", [&] { return info("a").state == ObjectState::packed; });
  eventually("it is told", [&] { return engine_->tier_progress(source_, "a").state == PrefetchState::done; });
  expect_hit("a");
}

TEST_F(PackedTest, WhatChangesBeforeItHasSettledIsNotPacked) {
  put("a");
  put("b");
  start();
  origin_->close_gate(test::OriginCall::stat);
  engine_->prefetch(ref("a"));
  eventually("it is copied", [&] { return info("a").cached_bytes == kSize && !info("a").is_filling_now; });
  EXPECT_TRUE(engine_->start_tier_task(source_, "a", TierTask::pack, {}));
  engine_->evict(source_, "a");
  origin_->open_all_gates();
  eventually("it is told", [&] { return engine_->tier_progress(source_, "a").state == PrefetchState::failed; });
  read(*open("b"), 0, 5000);
  EXPECT_EQ(do_task("b", TierTask::pack).reason, "it is not wholly in the store") << "nobody copies the rest";
}

TEST_F(PackedTest, ItsNameAndItsUsesGoAlong) {
  put("a");
  start();
  pack("a");
  const auto uses = info("a").uses;
  {
    const auto moving = engine_->before_rename(source_, {.from = "a", .to = "b"});
    origin_->move("a", "b");
    engine_->renamed(source_, "a", "b", false);
  }
  // A rename moves ctime: samples are compared with the origin first.
  EXPECT_TRUE(open("b")->was_hit());
  EXPECT_TRUE(read_all("b") == origin_->content("b"));
  EXPECT_EQ(info("b").uses, uses + 2);
  restart();
  EXPECT_TRUE(read_all("b") == origin_->content("b"));
  EXPECT_EQ(info("b").state, ObjectState::packed);
}

TEST_F(PackedTest, AWriteTakesTheCopyAlong) {
  put("a");
  put("b");
  start();
  pack("a");
  fill("b");
  do_task("b", TierTask::pack);
  do_task("b", TierTask::unpack);
  ASSERT_EQ(manifests(), 2U);
  const auto held = open("a");
  for (const char* path : {"a", "b"}) {
    const auto writer = engine_->open_for_writing(ref(path));
    writer->before_data_change();
    origin_->put_random(path, kSize, ++seed_);
  }
  EXPECT_TRUE(read(*held, 100, 1000) == origin_->content("a").substr(100, 1000)) << "readers follow the writer";
  eventually("the copies go", [&] { return manifests() == 0 && raw_files() == 0; });
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
}

TEST_F(PackedTest, EvictedItIsGone) {
  put("a");
  start();
  pack("a");
  EXPECT_EQ(engine_->evict(source_, "a").first, 1U);
  EXPECT_EQ(manifests(), 0U);
  EXPECT_EQ(chunks(), 0U);
  EXPECT_TRUE(engine_->list(source_, "").empty());
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
}

TEST_F(PackedTest, WhoReadsOneThatIsEvictedReadsOn) {
  const std::string content = put("a");
  start();
  pack("a");
  auto reader = open("a");
  read(*reader, 0, 10);
  engine_->evict(source_, "a");
  EXPECT_TRUE(read(*reader, 4 * kMiB, kMiB) == content.substr(4 * kMiB, kMiB));
  reader.reset();
  eventually("its chunks go", [&] { return chunks() == 0; });
}

TEST_F(PackedTest, ADamagedChunkCostsNoByte) {
  put("a");
  put("b");
  start();
  pack("a");
  fill("b");
  do_task("b", TierTask::pack);
  do_task("b", TierTask::unpack);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(store_.path("packed") + "/chunks")) {
    if (entry.is_regular_file()) test::flip_bit(entry.path().string(), 8 * 200);
  }
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  EXPECT_GE(engine_->stats().checksum_errors, 1U);
  EXPECT_TRUE(engine_->trusts_store()) << "the raw tier has no part in it";
  fill("a");
  expect_hit("a");
  expect_hit("b");
}

TEST_F(PackedTest, WhereTheRawFileIsDamagedThePackedCopyGoesOn) {
  put("a");
  start();
  pack("a");
  do_task("a", TierTask::unpack);
  ASSERT_EQ(info("a").state, ObjectState::resident);
  restart();  // its blocks are to be checked when they are read
  test::flip_bit(test::raw_files(store_.path("store")).at(0), 8 * (2 * kMiB + 100));
  auto held = open("a");
  const std::uint64_t before = engine_->stats().origins[0].read_bytes;
  EXPECT_TRUE(read(*held, 2 * kMiB, kMiB) == origin_->content("a").substr(2 * kMiB, kMiB));
  EXPECT_EQ(engine_->stats().origins[0].read_bytes, before) << "who has it open reads the copy";
  held.reset();
  EXPECT_EQ(info("a").state, ObjectState::packed);
  expect_hit("a");
  EXPECT_EQ(engine_->stats().checksum_errors, 1U);
  restart();
  expect_hit("a");
}

TEST_F(PackedTest, WhereTheRawFileIsGoneThePackedCopyGoesOn) {
  put("a");
  start();
  pack("a");
  do_task("a", TierTask::unpack);
  stop();
  std::filesystem::remove(test::raw_files(store_.path("store")).at(0));
  start();
  expect_hit("a");
  EXPECT_EQ(info("a").state, ObjectState::packed);
}

TEST_F(PackedTest, AScrubThatFindsTheRawFileDamagedKeepsThePackedCopyIfItIsRight) {
  put("a");
  start();
  pack("a");
  const auto scrub = [&] {
    do_task("a", TierTask::unpack);
    test::flip_bit(test::raw_files(store_.path("store")).at(0), 8 * (2 * kMiB + 100));
    engine_->start_scrub();
    eventually("the scrub ends", [&] { return !engine_->scrub_state().is_active; });
    return engine_->scrub_state();
  };
  EXPECT_EQ(scrub().damaged.size(), 1U);
  EXPECT_EQ(info("a").state, ObjectState::packed);
  EXPECT_EQ(raw_files(), 0U);
  expect_hit("a");
  do_task("a", TierTask::unpack);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(store_.path("packed") + "/chunks")) {
    if (entry.is_regular_file()) test::flip_bit(entry.path().string(), 8 * 200);
  }
  EXPECT_EQ(scrub().damaged.size(), 2U) << "and looks at the copy in the same pass";
  await_resident("a");
  expect_hit("a");
  EXPECT_EQ(manifests(), 0U);
}

TEST_F(PackedTest, AScrubFindsDamageAndCopiesAnew) {
  put("a");
  put("b");
  start();
  pack("a");
  fill("b");
  do_task("b", TierTask::pack);
  do_task("b", TierTask::unpack);
  const auto scrub = [&] {
    engine_->start_scrub();
    eventually("the scrub ends", [&] { return !engine_->scrub_state().is_active; });
    return engine_->scrub_state();
  };
  const auto sound = scrub();
  EXPECT_EQ(sound.bad_blocks, 0U);
  EXPECT_EQ(sound.checked_bytes, 3 * kSize);
  EXPECT_EQ(sound.total_bytes, 3 * kSize);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(store_.path("packed") + "/chunks")) {
    if (entry.is_regular_file()) test::flip_bit(entry.path().string(), 8 * 200);
  }
  EXPECT_EQ(scrub().damaged.size(), 2U);
  await_resident("a");
  expect_hit("a");
  expect_hit("b");
  EXPECT_EQ(info("b").tier, "");
  EXPECT_EQ(manifests(), 0U);
  EXPECT_TRUE(engine_->trusts_store());
}

TEST_F(PackedTest, OneWhoseManifestIsGoneIsReadFromTheOrigin) {
  put("a");
  start();
  pack("a");
  std::filesystem::remove_all(store_.path("packed") + "/objects");
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  restart();
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
}

TEST_F(PackedTest, ATierThatWasDeletedCostsTimeAlone) {
  put("a");
  put("b");
  start();
  pack("a");
  fill("b");
  do_task("b", TierTask::pack);
  do_task("b", TierTask::unpack);
  stop();
  std::filesystem::remove_all(store_.path("packed"));
  start();
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  expect_hit("b");
  EXPECT_EQ(info("b").tier, "");
  pack("b");
}

TEST_F(PackedTest, WithoutItsTierTheDaemonGoesOn) {
  put("a");
  start();
  pack("a");
  stop();
  std::filesystem::rename(store_.path("packed"), store_.path("elsewhere"));
  store_.write_file("packed", "a file where the folder was");
  start();
  EXPECT_NE(engine_->stats().tiers.at(1).trouble, "");
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  EXPECT_EQ(do_task("a", TierTask::pack).state, PrefetchState::skipped);
}

TEST_F(PackedTest, ALostIndexIsRebuiltFromManifestsToo) {
  put("a");
  put("b");
  start();
  pack("a");
  fill("b");
  stop();
  std::filesystem::remove(store_.path("store") + "/index.db");
  start();
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  EXPECT_TRUE(read_all("b") == origin_->content("b"));
  EXPECT_EQ(info("a").state, ObjectState::packed);
  EXPECT_EQ(info("b").state, ObjectState::resident);
  put("c");
  pack("c");
  expect_hit("c");
  expect_hit("a");
}

TEST_F(PackedTest, RebuiltAndOtherThanTheOriginItIsDropped) {
  put("a");
  start();
  pack("a");
  stop();
  const auto mtime = origin_->attributes("a").st_mtim;
  put("a");
  origin_->set_mtime("a", mtime);
  std::filesystem::remove(store_.path("store") + "/index.db");
  start();
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
}

TEST_F(PackedTest, MovedToAnotherTierAndBack) {
  add_tier("next");
  put("a");
  start();
  pack("a");
  EXPECT_EQ(do_task("a", TierTask::move, "next").state, PrefetchState::done);
  EXPECT_EQ(info("a").tier, "next");
  EXPECT_EQ(manifests("packed"), 0U);
  EXPECT_EQ(manifests("next"), 1U);
  expect_hit("a");
  EXPECT_EQ(do_task("a", TierTask::move, "raw").state, PrefetchState::done);
  EXPECT_EQ(info("a").state, ObjectState::resident);
  EXPECT_EQ(do_task("a", TierTask::move, "packed").state, PrefetchState::done);
  EXPECT_EQ(info("a").tier, "packed");
  EXPECT_EQ(info("a").state, ObjectState::packed);
  EXPECT_EQ(do_task("a", TierTask::move, "nowhere").state, PrefetchState::skipped);
  expect_hit("a");
}

TEST_F(PackedTest, AFullTierGivesItsLeastRecentlyUsedToTheNextAndTheLastDropsThem) {
  config_.tiers.clear();
  add_tier("packed", 13 * kMiB);
  add_tier("next", 13 * kMiB);
  start();
  for (int n = 0; n < 6; ++n) {
    const std::string path = base::text("m", n);
    put(path);
    pack(path);
  }
  EXPECT_EQ(manifests("packed"), 2U);
  EXPECT_EQ(manifests("next"), 2U);
  for (int n = 2; n < 6; ++n) {
    const std::string path = base::text("m", n);
    EXPECT_EQ(info(path).tier, n < 4 ? "next" : "packed") << path;
    expect_hit(path);
  }
  EXPECT_TRUE(engine_->list(source_, "m0").empty());
}

TEST_F(PackedTest, OpenAndPinnedOnesStayInAFullTier) {
  config_.tiers.clear();
  add_tier("packed", 13 * kMiB);
  start();
  for (const char* path : {"a", "b", "c"}) put(path);
  pack("a");
  pack("b");
  engine_->pin(source_, "a");
  const auto held = open("b");
  fill("c");
  const auto refused = do_task("c", TierTask::pack);
  EXPECT_EQ(refused.state, PrefetchState::skipped);
  EXPECT_NE(refused.reason.find("is full"), std::string::npos) << refused.reason;
  expect_hit("a");
  expect_hit("b");
  expect_hit("c");
}

TEST_F(PackedTest, WhatIsNextToGoIsPackedAheadAndGoesOnPacked) {
  config_.store.capacity = {.bytes = 40 * kMiB, .percent = 0};
  config_.cache.small = {.bytes = 4 * kMiB, .percent = 0};
  config_.pack = {.threads = 1, .ahead = {.bytes = 18 * kMiB, .percent = 0}};
  start();
  for (int n = 0; n < 6; ++n) {
    put(base::text("m", n));
    fill(base::text("m", n));
  }
  eventually("the first two are packed ahead",
             [&] { return info("m0").tier == "packed" && info("m1").tier == "packed"; });
  EXPECT_EQ(info("m0").state, ObjectState::resident);
  EXPECT_EQ(info("m5").tier, "") << "its turn is far away";
  for (const char* path : {"m6", "m7"}) {
    put(path);
    fill(path);
  }
  eventually("m0 went on packed", [&] { return info("m0").state == ObjectState::packed; });
  expect_hit("m0");
  EXPECT_EQ(engine_->stats().evicted_objects, 0U);
}

TEST_F(PackedTest, WhatTwoFilesHaveIsStoredOnce) {
  const std::string content = put("a");
  origin_->put("b", content);
  start();
  pack("a");
  const std::size_t before = chunks();
  pack("b");
  EXPECT_EQ(chunks(), before);
  EXPECT_EQ(info("b").shared_bytes, kSize);
  engine_->evict(source_, "a");
  expect_hit("b");
}

}  // namespace
}  // namespace arenacache::cache
