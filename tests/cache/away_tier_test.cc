// SPDX-License-Identifier: Apache-2.0
// A packed tier whose disk is away: nothing of it is forgotten, nothing is made where it was, and it is back with its disk.
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/store/packed_tier.h"
#include "cache/packed_fixture.h"
#include "support/faulty_file_io.h"
#include "support/matchers.h"

namespace arenacache::cache {
namespace {
/// A tier on a disk of its own, which goes and comes back between two lives.
class AwayTierTest : public PackedTest {
 protected:
  AwayTierTest() { io_.pretend_own_disk(store_.path("packed")); }
  /// The disk is not mounted: what is left is the empty folder that it is mounted over.
  void unmount() {
    std::filesystem::rename(store_.path("packed"), store_.path("disk"));
    std::filesystem::create_directory(store_.path("packed"));
  }
  void mount() {
    std::filesystem::remove_all(store_.path("packed"));
    std::filesystem::rename(store_.path("disk"), store_.path("packed"));
  }
  void restart_without_disk() {
    stop();
    unmount();
    start();
  }
  void restart_with_disk() {
    stop();
    mount();
    start();
  }
  TierStats tier() { return engine_->stats().tiers.at(1); }
};

TEST_F(AwayTierTest, WhatIsOnlyThereIsReadFromTheOriginAndIsThereAgainWithTheDisk) {
  put("a");
  start();
  pack("a");
  restart_without_disk();
  EXPECT_NE(tier().trouble.find("is empty"), std::string::npos) << tier().trouble;
  EXPECT_NE(tier().trouble.find("mount its disk"), std::string::npos) << tier().trouble;
  EXPECT_EQ(tier().objects, 1U);
  EXPECT_EQ(tier().logical_bytes, kSize);
  EXPECT_EQ(info("a").tier, "packed (away)");
  EXPECT_TRUE(std::filesystem::is_empty(store_.path("packed"))) << "nothing is made on the disk below";
  EXPECT_FALSE(open("a")->was_hit());
  EXPECT_TRUE(read(*open("a"), kMiB, 5000) == origin_->content("a").substr(kMiB, 5000));
  restart();
  EXPECT_EQ(tier().objects, 1U) << "another start without the disk";
  restart_with_disk();
  EXPECT_EQ(tier().trouble, "");
  EXPECT_EQ(info("a").state, ObjectState::packed);
  expect_hit("a");
  EXPECT_EQ(manifests(), 1U);
}

TEST_F(AwayTierTest, AFolderThatIsMissingOrAnotherTiersIsNotTakenForIt) {
  put("a");
  start();
  pack("a");
  restart_without_disk();
  stop();
  std::filesystem::remove(store_.path("packed"));
  start();
  EXPECT_NE(tier().trouble.find("is not there"), std::string::npos) << tier().trouble;
  EXPECT_FALSE(std::filesystem::exists(store_.path("packed")));
  stop();
  {
    store::PackedInventory inventory;
    base::PosixFileIo io;
    test::must(store::PackedTier::open(io, store_.path("packed"), inventory));
  }
  start();
  EXPECT_NE(tier().trouble.find("another packed tier"), std::string::npos) << tier().trouble;
  restart_with_disk();
  expect_hit("a");
}

TEST_F(AwayTierTest, ADiskThatFailsAtTheStartForgetsNothing) {
  put("a");
  start();
  pack("a");
  stop();
  io_.fail_nth(test::FileCall::list, 2, EIO);  // the first is the store's
  start();
  EXPECT_NE(tier().trouble.find("put that right"), std::string::npos) << tier().trouble;
  EXPECT_TRUE(read(*open("a"), kMiB, 5000) == origin_->content("a").substr(kMiB, 5000));
  restart();
  expect_hit("a");
}

TEST_F(AwayTierTest, WhatIsLoadedMeanwhileIsKeptAndHasItsCopyAgain) {
  put("a");
  put("b");
  start();
  pack("a");
  pack("b");
  restart_without_disk();
  fill("a");
  EXPECT_TRUE(open("a")->backing().has_value()) << "it is cached as any other";
  read(*open("b"), 0, 5000);
  eventually("a block of b is there", [&] { return info("b").cached_bytes > 0; });
  restart();
  expect_hit("a");
  restart_with_disk();
  EXPECT_EQ(info("a").state, ObjectState::resident);
  EXPECT_EQ(info("a").tier, "packed");
  EXPECT_EQ(info("b").state, ObjectState::packed) << "what the raw tier had got of it goes";
  expect_hit("a");
  expect_hit("b");
  eventually("b has no raw file", [&] { return raw_files() == 1; });
  restart();
  expect_hit("b");
}

TEST_F(AwayTierTest, WhatIsEvictedMeanwhileKeepsItsCopy) {
  config_.store.capacity = {.bytes = 20 * kMiB, .percent = 0};
  config_.cache.small = {.bytes = 2 * kMiB, .percent = 0};
  put("a");
  start();
  pack("a");
  restart_without_disk();
  fill("a");
  for (const char* path : {"b", "c", "d"}) {
    put(path);
    fill(path);
  }
  EXPECT_GE(engine_->stats().evicted_objects, 1U);
  EXPECT_FALSE(open("a")->was_hit());
  restart_with_disk();
  EXPECT_EQ(info("a").state, ObjectState::packed);
  expect_hit("a");
}

TEST_F(AwayTierTest, WhatChangesMeanwhileIsNotServedAsItWas) {
  for (const char* path : {"a", "b", "c"}) put(path);
  start();
  for (const char* path : {"a", "b", "c"}) pack(path);
  restart_without_disk();
  {
    const auto writer = engine_->open_for_writing(ref("a"));
    writer->before_data_change();
    const auto mtime = origin_->attributes("a").st_mtim;
    put("a");
    origin_->set_mtime("a", mtime);
  }
  {
    const auto moving = engine_->before_rename(source_, {.from = "b", .to = "z"});
    origin_->move("b", "z");
    engine_->renamed(source_, "b", "z", false);
  }
  EXPECT_EQ(engine_->evict(source_, "c").first, 1U);
  restart_with_disk();
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  EXPECT_TRUE(open("z")->was_hit());
  EXPECT_TRUE(read_all("z") == origin_->content("z"));
  eventually("the others' copies are collected", [&] { return manifests() == 1; });
}

TEST_F(AwayTierTest, ATouchedFileIsComparedWhenItsCopyIsBack) {
  put("a");
  start();
  pack("a");
  restart_without_disk();
  const auto mtime = origin_->attributes("a").st_mtim;
  put("a");
  origin_->set_mtime("a", mtime);  // other bytes, and only ctime tells
  EXPECT_TRUE(read(*open("a"), 0, 5000) == origin_->content("a").substr(0, 5000));
  restart_with_disk();
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
}

TEST_F(AwayTierTest, AnIndexThatIsLostMeanwhileGetsItsRowsFromTheManifests) {
  put("a");
  put("b");
  start();
  pack("a");
  pack("b");
  restart_without_disk();
  fill("b");
  stop();
  std::filesystem::remove(store_.path("store") + "/index.db");
  start();
  stop();
  mount();
  start();
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  EXPECT_EQ(info("a").state, ObjectState::packed);
  EXPECT_EQ(info("b").state, ObjectState::resident);
  EXPECT_EQ(info("b").tier, "packed");
  EXPECT_EQ(manifests(), 2U);
}

TEST_F(AwayTierTest, ATierThatWasMadeBelowTheMountpointGivesWayWhileNothingIsInIt) {
  put("a");
  start();
  pack("a");
  stop();
  unmount();
  std::filesystem::remove(store_.path("store") + "/index.db");
  start();  // nothing is known of the disk: the empty folder is a new tier
  EXPECT_EQ(tier().trouble, "");
  restart_with_disk();
  EXPECT_EQ(tier().trouble, "");
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  EXPECT_EQ(info("a").state, ObjectState::packed);
}

TEST_F(AwayTierTest, GivenAnotherNameAnEmptyFolderBeginsATier) {
  put("a");
  start();
  pack("a");
  restart_without_disk();
  stop();
  config_.tiers[0].name = "new";
  start();
  EXPECT_EQ(tier().trouble, "");
  pack("a");
  EXPECT_EQ(info("a").tier, "new");
}

TEST_F(AwayTierTest, ATierThatIsRenamedKeepsWhatItHas) {
  put("a");
  start();
  pack("a");
  stop();
  config_.tiers[0].name = "new";
  start();
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  EXPECT_EQ(info("a").tier, "new");
  EXPECT_EQ(info("a").state, ObjectState::packed);
}

TEST_F(AwayTierTest, OneThatIsConfiguredAgainHasItsFiles) {
  put("a");
  start();
  pack("a");
  stop();
  const auto tiers = std::exchange(config_.tiers, {});
  start();
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  stop();
  config_.tiers = tiers;
  start();
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  EXPECT_EQ(info("a").tier, "packed");
}

TEST_F(AwayTierTest, WhatIsAskedOfATierThatIsAwayIsRefusedWithTheReason) {
  put("a");
  put("b");
  start();
  pack("a");
  restart_without_disk();
  fill("b");
  for (const auto& done : {do_task("b", TierTask::pack), do_task("b", TierTask::move, "packed")}) {
    EXPECT_EQ(done.state, PrefetchState::skipped);
    EXPECT_NE(done.reason.find("mount its disk"), std::string::npos) << done.reason;
  }
  EXPECT_NE(do_task("a", TierTask::unpack).reason.find("is away"), std::string::npos);
  EXPECT_EQ(engine_->tier_names(), (std::vector<std::string>{"raw", "packed"}));
}

}  // namespace
}  // namespace arenacache::cache
