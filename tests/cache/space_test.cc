// SPDX-License-Identifier: Apache-2.0
// Room and trouble: the capacity, eviction, pins, a store that fails.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <latch>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "arenacache/policy/lru_policy.h"
#include "cache/engine_fixture.h"
#include "space.h"
#include "support/store_files.h"

namespace arenacache::cache {
namespace {

using test::FileCall;
using Ids = std::vector<store::ObjectId>;

class SpaceTest : public EngineFixture {
 protected:
  SpaceTest() {
    config_.store.capacity = {.bytes = 64 * kMiB, .percent = 0};
    config_.cache.small = {.bytes = 8 * kMiB, .percent = 0};
  }
  std::string put(int n, std::size_t size = 12 * kMiB) {
    return origin_->put_random("m" + std::to_string(n), size, static_cast<std::uint64_t>(n));
  }
};

TEST_F(SpaceTest, TwentyObjectsPassThroughRoomForFive) {
  start();
  for (int n = 0; n < 20; ++n) {
    const std::string content = put(n);
    EXPECT_TRUE(read_all("m" + std::to_string(n)) == content);
    await_quiet();
    EXPECT_LE(engine_->stats().tiers[0].used_bytes, 64 * kMiB);
  }
  const auto stats = engine_->stats();
  EXPECT_GE(stats.evicted_objects, 14U);
  EXPECT_GE(stats.tiers[0].objects, 4U);
}

TEST_F(SpaceTest, TheLeastRecentlyUsedGoesFirst) {
  start();
  for (int n = 0; n < 6; ++n) put(n);
  for (int n = 0; n < 5; ++n) {
    read_all("m" + std::to_string(n));
    await_resident("m" + std::to_string(n));
  }
  read_all("m0");
  read_all("m5");
  await_resident("m5");
  EXPECT_EQ(engine_->list(source_, "m0").size(), 1U);
  eventually("m1 is evicted", [&] { return engine_->list(source_, "m1").empty(); });
}

TEST_F(SpaceTest, AnObjectLargerThanTheStoreIsServedAndEvictsNothing) {
  start();
  put(0);
  read_all("m0");
  await_resident("m0");
  const std::string big = put(1, 80 * kMiB);
  EXPECT_TRUE(read_all("m1") == big);
  await_quiet();
  EXPECT_EQ(engine_->list(source_, "m0").size(), 1U);
  EXPECT_EQ(engine_->stats().evicted_objects, 0U);
  EXPECT_NE(engine_->stats().warning.find("capacity"), std::string::npos);
}

TEST_F(SpaceTest, OpenAndPinnedObjectsStayAndStatsSayWhyNothingIsCopied) {
  start();
  for (int n = 0; n < 4; ++n) {
    put(n);
    const std::string path = "m" + std::to_string(n);
    read_all(path);
    await_resident(path);
    if (n == 0) engine_->pin(source_, path);
    if (n > 0) readers_.push_back(open(path));
  }
  const std::string content = put(4, 30 * kMiB);
  EXPECT_TRUE(read_all("m4") == content);
  await_quiet();
  EXPECT_EQ(engine_->stats().evicted_objects, 0U);
  EXPECT_NE(engine_->stats().warning.find("hold"), std::string::npos);
  readers_.clear();
  EXPECT_TRUE(read_all("m4") == content);
  await_resident("m4");
  EXPECT_EQ(engine_->list(source_, "m0").size(), 1U) << "pinned";
}

TEST_F(SpaceTest, ACopyThatGotNothingLeavesNothing) {
  start();
  put(0);
  origin_->fail_next(test::OriginCall::read, 1000, EIO);
  engine_->prefetch(ref("m0"));
  eventually("the copy is given up", [&] {
    const auto stats = engine_->stats();
    return stats.fills_failed > 0 && stats.fills_active + stats.fills_queued == 0;
  });
  eventually("its file is gone", [&] { return test::raw_files(store_.path("store")).empty(); });
  eventually("its room is free", [&] { return engine_->stats().tiers[0].used_bytes < kMiB; });
  open("m0");  // and closed, so that the object goes
  EXPECT_TRUE(test::raw_files(store_.path("store")).empty());
}

/// m0 has changed, and the file of its old version is just being unlinked.
class GoingFileTest : public SpaceTest {
 protected:
  ~GoingFileTest() override {
    let_go();
    stop();
  }

  void make_resident(int n, std::uint64_t size) {
    put(n, size);
    const std::string path = "m" + std::to_string(n);
    read_all(path);
    await_resident(path);
  }
  /// Reads what m0 is now.
  void change(std::uint64_t size) {
    io_.before_next(FileCall::unlink, [this] {
      going_.count_down();
      may_go_.wait(false);
    });
    const std::string content = origin_->put_random("m0", size, 99);
    const auto reader = open("m0");
    going_.wait();
    EXPECT_TRUE(read_all("m0") == content);
    eventually("its fill has begun", [&] { return engine_->stats().fills_active == 1; });
    readers_.push_back(reader);
  }
  void let_go() {
    may_go_ = true;
    may_go_.notify_all();
  }

 private:
  std::latch going_{1};
  std::atomic<bool> may_go_{false};
};

TEST_F(GoingFileTest, IsCountedOnSoNobodyElseIsEvicted) {
  start();
  make_resident(0, 24 * kMiB);
  make_resident(1, 16 * kMiB);
  change(30 * kMiB);
  let_go();
  await_resident("m0");
  EXPECT_EQ(engine_->stats().evicted_objects, 0U);
  EXPECT_EQ(engine_->list(source_, "m1").size(), 1U);
}

TEST_F(GoingFileTest, IsWaitedForWhereThereIsNoOtherRoom) {
  start();
  make_resident(0, 40 * kMiB);
  change(40 * kMiB);
  let_go();
  await_resident("m0");
  EXPECT_EQ(engine_->stats().warning, "");
}

TEST_F(GoingFileTest, IsNotWaitedForForEver) {
  start();
  make_resident(0, 40 * kMiB);
  change(40 * kMiB);
  await_quiet();
  EXPECT_NE(engine_->stats().warning.find("hold"), std::string::npos) << engine_->stats().warning;
  let_go();
}

TEST_F(SpaceTest, EvictFreesTheBytes) {
  start();
  put(0);
  read_all("m0");
  await_resident("m0");
  const auto [objects, bytes] = engine_->evict(source_, "");
  EXPECT_EQ(objects, 1U);
  EXPECT_EQ(bytes, 12 * kMiB);
  eventually("who just looks at the object lets it go", [&] { return engine_->stats().tiers[0].used_bytes < kMiB; });
}

TEST_F(SpaceTest, WhatTheKernelReadsSinceAnEarlierLifeIsCounted) {
  start();
  put(0);
  read_all("m0");
  await_resident("m0");
  const BackingKey dropped = open("m0")->backing()->key;
  engine_->evict(source_, "");
  restart();
  auto held = engine_->hold_backing(dropped, 12 * kMiB);
  auto same = engine_->hold_backing(dropped, 12 * kMiB);
  EXPECT_GE(engine_->stats().tiers[0].doomed_bytes, 12 * kMiB);
  EXPECT_LT(engine_->stats().tiers[0].doomed_bytes, 13 * kMiB) << "once";
  EXPECT_GE(engine_->stats().tiers[0].used_bytes, 12 * kMiB);
  const std::string content = put(1, 56 * kMiB);
  EXPECT_TRUE(read_all("m1") == content);
  await_quiet();
  EXPECT_NE(engine_->stats().warning.find("hold"), std::string::npos) << engine_->stats().warning;
  held.reset();
  EXPECT_GE(engine_->stats().tiers[0].doomed_bytes, 12 * kMiB);
  same.reset();
  EXPECT_EQ(engine_->stats().tiers[0].doomed_bytes, 0U);
  EXPECT_TRUE(read_all("m1") == content);
  await_resident("m1");
  const BackingKey kept = open("m1")->backing()->key;
  auto object = engine_->hold_backing(kept, 56 * kMiB);
  engine_->evict(source_, "");
  EXPECT_GE(engine_->stats().tiers[0].doomed_bytes, 56 * kMiB) << "dropped in this life";
  EXPECT_GE(engine_->stats().tiers[0].used_bytes, 56 * kMiB);
  object.reset();
  eventually("its bytes are free", [&] { return engine_->stats().tiers[0].doomed_bytes == 0; });
  EXPECT_EQ(engine_->hold_backing(origin_backing(7), kMiB), nullptr);
}

TEST_F(SpaceTest, AFullDiskMeansReadsFromTheOriginNeverAnError) {
  start();
  const std::string content = put(0);
  io_.fail_from(FileCall::write_at, 1, ENOSPC);
  EXPECT_TRUE(read_all("m0") == content);
  await_quiet();
  EXPECT_GT(engine_->stats().store_errors, 0U);
  io_.heal();
  EXPECT_TRUE(read_all("m0") == content);
}

TEST_F(SpaceTest, AStoreThatFailsToReadIsInvisible) {
  start();
  const std::string content = put(0);
  read_all("m0");
  await_resident("m0");
  io_.fail_from(FileCall::read_at, 1, EIO);
  EXPECT_TRUE(read_all("m0") == content);
  EXPECT_GT(engine_->stats().store_errors, 0U);
}

TEST_F(SpaceTest, AFlippedBitIsFoundAndFetchedAgain) {
  start();
  const std::string content = put(0);
  read_all("m0");
  await_resident("m0");
  stop();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(store_.path("store/raw"))) {
    if (!entry.is_regular_file() || entry.path().extension() == ".map") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5'000'000);
    file.put(static_cast<char>(~content[5'000'000]));
  }
  start();
  EXPECT_TRUE(read_all("m0") == content);
  EXPECT_EQ(engine_->stats().checksum_errors, 1U);
}

TEST_F(SpaceTest, EveryFailedCallOfTheStoreIsInvisible) {
  for (std::size_t n = 1;; n += ARENACACHE_IS_SANITIZED ? 12 : 3) {
    start();
    const std::string content = put(static_cast<int>(n));
    const std::string path = "m" + std::to_string(n);
    const std::size_t before = io_.count();
    io_.fail_from(n, EIO);
    EXPECT_TRUE(read_all(path) == content) << "with the store dead from call " << n;
    await_quiet();
    const bool touched = io_.count() - before >= n;
    io_.heal();
    EXPECT_TRUE(read_all(path) == content) << "after call " << n;
    stop();
    origin_->erase(path);
    if (!touched || n > 60) break;
  }
}

TEST(SpaceUnit, TellsWhoWouldGoNextWithoutTakingThem) {
  auto space = std::make_shared<Space>(std::make_unique<policy::LruPolicy>(), std::make_unique<policy::LruPolicy>());
  space->set_limits({.capacity_bytes = 1000, .small_bytes = 100, .keep_free_bytes = 0});
  std::vector<std::unique_ptr<Reservation>> reservations;
  for (std::uint64_t n = 1; n <= 4; ++n) {
    reservations.push_back(space->enter(store::ObjectId{n}));
    EXPECT_EQ(space->reserve(store::ObjectId{n}, 100, true).kind, ReserveAnswer::Kind::granted);
  }
  reservations.push_back(space->enter(store::ObjectId{5}));  // a small one is of another order
  space->hold(store::ObjectId{2});
  EXPECT_EQ(space->next_victims(0), Ids{});
  EXPECT_EQ(space->next_victims(1), Ids{store::ObjectId{1}});
  EXPECT_EQ(space->next_victims(101), (Ids{store::ObjectId{1}, store::ObjectId{3}}));
  EXPECT_EQ(space->next_victims(1000), (Ids{store::ObjectId{1}, store::ObjectId{3}, store::ObjectId{4}}));
  space->check_invariants();
}

TEST(SpaceUnit, WhatIsAboutToGoIsWaitedForAndWhatIsReadIsNot) {
  using Kind = ReserveAnswer::Kind;
  auto space = std::make_shared<Space>(std::make_unique<policy::LruPolicy>(), std::make_unique<policy::LruPolicy>());
  space->set_limits({.capacity_bytes = 1000, .small_bytes = 0, .keep_free_bytes = 0});
  constexpr std::uint64_t kRoom = 1000 - 1000 / 32;  // the index's log
  std::map<std::uint64_t, std::unique_ptr<Reservation>> reservations;
  for (std::uint64_t n = 1; n <= 4; ++n) reservations[n] = space->enter(store::ObjectId{n});
  const auto reserve = [&](std::uint64_t n, std::uint64_t bytes, bool patient) {
    return space->reserve(store::ObjectId{n}, bytes, patient).kind;
  };
  ASSERT_EQ(reserve(1, 400, true), Kind::granted);
  ASSERT_EQ(reserve(2, 400, true), Kind::granted);
  space->hold(store::ObjectId{1});
  space->doom(store::ObjectId{1});
  EXPECT_EQ(reserve(3, 500, true), Kind::evict) << "a reader keeps it";
  space->release(store::ObjectId{1});
  EXPECT_EQ(reserve(3, 500, true), Kind::coming);
  EXPECT_EQ(reserve(3, 500, false), Kind::evict);
  EXPECT_EQ(reserve(3, kRoom, true), Kind::evict) << "it is not enough alone";
  EXPECT_EQ(reserve(3, kRoom + 1, true), Kind::refused);
  space->doom(store::ObjectId{2});
  EXPECT_EQ(reserve(3, kRoom, true), Kind::coming);
  EXPECT_EQ(reserve(3, kRoom, false), Kind::refused);
  reservations.erase(1);
  EXPECT_EQ(reserve(3, 500, true), Kind::granted);
  space->check_invariants();
}

/// Room for ten files of 1 MiB, of which five are there: 1 and 4 share one, 4 is the last used.
class SharedRoomTest : public ::testing::Test {
 protected:
  SharedRoomTest() {
    space_->set_limits({.capacity_bytes = 10 * kMiB, .small_bytes = 0, .keep_free_bytes = 0});
    for (std::uint64_t n = 1; n <= 3; ++n) {
      reservations_[n] = space_->enter(store::ObjectId{n});
      EXPECT_EQ(space_->reserve(store::ObjectId{n}, footprint(kMiB), true).kind, ReserveAnswer::Kind::granted);
    }
    const std::uint64_t before = space_->numbers().reserved_bytes;
    reservations_[4] = space_->enter(store::ObjectId{4});
    EXPECT_TRUE(space_->share(store::ObjectId{4}, store::ObjectId{1}, kMiB));
    EXPECT_LT(space_->numbers().reserved_bytes, before + 64 * base::kKiB);
  }
  ~SharedRoomTest() override { space_->check_invariants(); }

  /// As Evictor does it. Returns who went for `bytes` more.
  Ids make_room(std::uint64_t bytes) {
    const store::ObjectId id{99};
    const auto reservation = space_->enter(id);
    Ids gone;
    for (;;) {
      const auto answer = space_->reserve(id, bytes, true);
      if (answer.kind != ReserveAnswer::Kind::evict) return gone;
      gone.push_back(answer.victim);
      space_->doom(answer.victim);
      reservations_[store::to_number(answer.victim)].reset();
    }
  }

  std::shared_ptr<Space> space_ =
      std::make_shared<Space>(std::make_unique<policy::LruPolicy>(), std::make_unique<policy::LruPolicy>());
  std::array<std::unique_ptr<Reservation>, 5> reservations_;
};

TEST_F(SharedRoomTest, OneOfTwoFreesNothingAndTheLastOneAll) {
  const std::uint64_t before = space_->numbers().reserved_bytes;
  reservations_[1].reset();
  EXPECT_GT(space_->numbers().reserved_bytes, before - 64 * base::kKiB);
  reservations_[4].reset();
  EXPECT_LT(space_->numbers().reserved_bytes, before - kMiB);
}

TEST_F(SharedRoomTest, ThoseOfOneFileGoTogetherAndLast) {
  EXPECT_EQ(space_->next_victims(10 * kMiB),
            (Ids{store::ObjectId{2}, store::ObjectId{3}, store::ObjectId{1}, store::ObjectId{4}}));
  EXPECT_EQ(make_room(7 * kMiB), Ids{store::ObjectId{2}});
  EXPECT_EQ(make_room(9 * kMiB), (Ids{store::ObjectId{3}, store::ObjectId{1}, store::ObjectId{4}}));
  EXPECT_EQ(space_->numbers().reserved_bytes, 0U);
}

TEST_F(SharedRoomTest, AUseOfOneIsAUseOfTheFile) {
  space_->use(store::ObjectId{2});
  space_->use(store::ObjectId{1});
  space_->use(store::ObjectId{3});
  EXPECT_EQ(space_->next_victims(10 * kMiB),
            (Ids{store::ObjectId{2}, store::ObjectId{1}, store::ObjectId{4}, store::ObjectId{3}}));
}

TEST_F(SharedRoomTest, WhileOneIsOpenNoneIsAVictim) {
  space_->hold(store::ObjectId{4});
  EXPECT_EQ(space_->next_victims(10 * kMiB), (Ids{store::ObjectId{2}, store::ObjectId{3}}));
  EXPECT_GE(space_->numbers().held_bytes, kMiB);
  EXPECT_LT(space_->numbers().held_bytes, 2 * kMiB);
  EXPECT_EQ(make_room(10 * kMiB - 64 * base::kKiB), Ids{}) << "it can never be met, so nobody goes for it";
  space_->release(store::ObjectId{4});
  EXPECT_EQ(space_->numbers().held_bytes, 0U);
}

TEST_F(SharedRoomTest, ADroppedOneThatIsReadHoldsTheRoom) {
  space_->hold(store::ObjectId{1});
  space_->doom(store::ObjectId{1});
  EXPECT_EQ(space_->numbers().doomed_bytes, 0U) << "the other one has it still";
  EXPECT_GE(space_->numbers().held_bytes, kMiB);
  EXPECT_EQ(space_->next_victims(10 * kMiB), (Ids{store::ObjectId{2}, store::ObjectId{3}}));
  space_->release(store::ObjectId{1});
  reservations_[1].reset();
  EXPECT_EQ(space_->numbers().held_bytes, 0U);
  EXPECT_EQ(space_->next_victims(10 * kMiB), (Ids{store::ObjectId{2}, store::ObjectId{3}, store::ObjectId{4}}));
  space_->doom(store::ObjectId{4});
  EXPECT_GE(space_->numbers().doomed_bytes, kMiB);
  EXPECT_FALSE(space_->share(store::ObjectId{2}, store::ObjectId{4}, kMiB)) << "there is nothing to share any more";
}

TEST(SpaceUnit, RandomReservationsKeepTheSums) {
  auto space = std::make_shared<Space>(std::make_unique<policy::LruPolicy>(), std::make_unique<policy::LruPolicy>());
  space->set_limits({.capacity_bytes = 100 * kMiB, .small_bytes = 20 * kMiB, .keep_free_bytes = 0});
  std::vector<std::unique_ptr<Reservation>> live(12);
  std::mt19937 random(static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed()));
  for (int step = 0; step < 5000; ++step) {
    const std::size_t n = random() % live.size();
    const store::ObjectId id{n + 1};
    switch (random() % 9) {
      case 0:
        if (!live[n]) live[n] = space->enter(id);
        break;
      case 1:
        live[n].reset();
        break;
      case 2:
        static_cast<void>(space->reserve(id, (random() % 40) * kMiB, random() % 2 == 0));
        break;
      case 3:
        static_cast<void>(space->reserve_small(id, (random() % 4) * kMiB));
        break;
      case 4:
        space->hold(id);
        break;
      case 5:
        space->release(id);
        break;
      case 6:
      case 7:
        static_cast<void>(space->share(id, store::ObjectId{random() % live.size() + 1}, (random() % 9) * kMiB));
        break;
      default:
        if (random() % 4 == 0) space->doom(id);
    }
    space->check_invariants();
    ASSERT_LE(space->numbers().reserved_bytes, 100 * kMiB + live.size() * (footprint(9 * kMiB) - 9 * kMiB));
    ASSERT_LE(space->numbers().small_bytes, 20 * kMiB);
  }
}

}  // namespace
}  // namespace arenacache::cache
