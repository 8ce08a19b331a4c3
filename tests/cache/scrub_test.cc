// SPDX-License-Identifier: Apache-2.0
// The scrubber: what it finds, what becomes of it, and when it begins by itself.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/store/index.h"
#include "cache/engine_fixture.h"
#include "scrub_plan.h"
#include "support/simulated_clock.h"
#include "support/store_files.h"

namespace arenacache::cache {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using test::FileCall;
using test::flip_bit;
using test::raw_files;

class ScrubTest : public EngineFixture {
 protected:
  ~ScrubTest() override {
    stop();
    await_end();
  }

  /// A life of which the test owns the time.
  void start_in_simulated_time() {
    await_end();
    pool_ = std::make_unique<base::ThreadPool>("background", 3);
    guard_ = std::make_shared<origin::GuardedOrigin>(lender_.lend(origin_), simulated_, origin::GuardLimits{});
    engine_ = test::must(
        Engine::create(config_, {.clock = simulated_, .io = io_, .background = *pool_, .page_cache = page_cache_}));
    source_ = engine_->add_source(config_.mounts[0], guard_);
    engine_->start();
  }
  /// What the index keeps, changed by `change`, with no daemon there.
  store::IndexContents index_contents(const std::function<void(store::Index&, const store::IndexContents&)>& change) {
    store::IndexContents contents;
    const auto index = test::must(store::Index::open(store_.path("store/index.db"), contents));
    change(*index, contents);
    test::must(index->close());
    return contents;
  }
  std::string make_resident(const std::string& path, std::size_t size, std::uint64_t seed) {
    std::string content = origin_->put_random(path, size, seed);
    EXPECT_EQ(read_all(path), content);
    await_resident(path);
    return content;
  }
  ScrubState scrub() {
    const std::uint64_t pass = engine_->start_scrub().pass;
    eventually("the scrub ends", [&] { return !engine_->scrub_state().is_active; });
    ScrubState state = engine_->scrub_state();
    EXPECT_EQ(state.pass, pass);
    return state;
  }
  [[nodiscard]] std::vector<std::string> data() const { return raw_files(store_.path("store")); }
  [[nodiscard]] std::vector<std::string> sidecars() const { return raw_files(store_.path("store"), true); }

  test::SimulatedClock simulated_;
};

TEST_F(ScrubTest, ASoundStoreIsReadWholeAndNothingOfItIsTouched) {
  start();
  make_resident("a", 9 * kMiB + 5, 1);
  origin_->put_random("b", 8 * kMiB, 2);
  read(*open("b"), 0, 100);
  eventually("the part is stored", [&] { return !engine_->list(source_, "b").empty(); });
  for (const bool is_new_life : {false, true}) {
    if (is_new_life) restart();
    const auto state = scrub();
    EXPECT_EQ(state.bad_blocks, 0U);
    EXPECT_EQ(state.failure, "");
    EXPECT_EQ(state.checked_objects, 2U);
    EXPECT_EQ(state.checked_bytes, 10 * kMiB + 5) << "the whole one, and the one block of the other";
    EXPECT_EQ(state.total_bytes, state.checked_bytes);
    EXPECT_TRUE(state.last_finished.has_value());
  }
  EXPECT_EQ(engine_->stats().checksum_errors, 0U);
  EXPECT_EQ(engine_->stats().tiers[0].resident, 1U);
  restart();
  EXPECT_TRUE(engine_->scrub_state().last_finished.has_value()) << "it is known in the next life";
}

TEST_F(ScrubTest, EveryDamagedBlockIsCountedAndTheFileIsCopiedAgainIntoANewOne) {
  start();
  const std::string content = make_resident("a", 12 * kMiB, 1);
  make_resident("b", 4 * kMiB, 2);
  const auto before = data();
  ASSERT_EQ(before.size(), 2U);
  flip_bit(before[0], 3 * kMiB * 8 + 1);
  flip_bit(before[0], 3 * kMiB * 8 + 99);
  flip_bit(before[0], 7 * kMiB * 8);
  const auto state = scrub();
  EXPECT_EQ(state.bad_blocks, 2U);
  ASSERT_EQ(state.damaged.size(), 1U);
  EXPECT_EQ(state.damaged[0].path, "a");
  EXPECT_EQ(state.damaged[0].blocks, 2U);
  EXPECT_EQ(engine_->stats().scrub_bad_blocks, 2U);
  EXPECT_TRUE(engine_->trusts_store()) << "what was wrong is gone";
  await_resident("a");
  eventually("the old file goes", [&] { return !std::filesystem::exists(before[0]); });
  origin_->reset_counts();
  EXPECT_EQ(read_all("a"), content);
  EXPECT_EQ(origin_->read_bytes(), 0U);
  EXPECT_EQ(scrub().bad_blocks, 0U);
}

TEST_F(ScrubTest, EveryFlippedBitInDataOrSidecarsIsFoundAfterARestart) {
  start();
  constexpr int kFiles = 8;
  std::vector<std::string> contents;
  contents.reserve(kFiles);
  for (int file = 0; file < kFiles; ++file) {
    contents.push_back(make_resident("m" + std::to_string(file), 3 * kMiB + 11, static_cast<std::uint64_t>(file)));
  }
  stop();
  std::mt19937_64 random(static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed()));
  const auto paths = data();
  const auto maps = sidecars();
  ASSERT_EQ(paths.size(), static_cast<std::size_t>(kFiles));
  std::set<std::pair<std::string, std::uint64_t>> blocks;
  for (int flip = 0; flip < 5; ++flip) {
    const std::string& path = paths[static_cast<std::size_t>(flip)];
    const std::uint64_t bit = random() % ((3 * kMiB + 11) * 8);
    flip_bit(path, bit);
    blocks.emplace(path, bit / 8 / kMiB);
  }
  flip_bit(maps[6], random() % (std::filesystem::file_size(maps[6]) * 8));
  flip_bit(maps[7], random() % (std::filesystem::file_size(maps[7]) * 8));
  start();
  const auto state = scrub();
  EXPECT_EQ(state.bad_blocks, blocks.size() + 2);
  EXPECT_EQ(state.damaged.size(), 7U);
  for (int file = 0; file < kFiles; ++file) {
    const auto index = static_cast<std::size_t>(file);
    EXPECT_TRUE(read_all("m" + std::to_string(file)) == contents[index]) << file;
  }
}

TEST_F(ScrubTest, FilesThatWereCutOrTakenAwayAreFound) {
  start();
  const std::string content = make_resident("a", 4 * kMiB, 1);
  make_resident("b", 4 * kMiB, 2);
  const auto paths = data();
  ASSERT_EQ(::unlink(paths[0].c_str()), 0);
  ASSERT_EQ(::truncate(paths[1].c_str(), kMiB), 0);
  EXPECT_EQ(scrub().damaged.size(), 2U);
  await_resident("a");
  EXPECT_EQ(read_all("a"), content);
}

TEST_F(ScrubTest, ADamagedSidecarOfWhatIsInMemoryIsWrittenAgain) {
  start();
  const std::string content = make_resident("a", 4 * kMiB, 1);
  readers_.push_back(open("a"));  // its block map is in memory
  flip_bit(sidecars().at(0), 77);
  EXPECT_EQ(scrub().damaged.size(), 0U);
  EXPECT_EQ(engine_->stats().checksum_errors, 1U);
  restart();
  origin_->reset_counts();
  EXPECT_EQ(read_all("a"), content);
  EXPECT_EQ(origin_->read_bytes(), 0U) << "nothing was lost";
}

TEST_F(ScrubTest, AFileThatNoObjectHasIsCollected) {
  start();
  make_resident("a", 4 * kMiB, 1);
  const std::string folder = store_.path("store/raw/fe");
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/00000000000000fe") << "left behind";
  std::ofstream(folder + "/notes.txt") << "not ours";
  scrub();
  EXPECT_FALSE(std::filesystem::exists(folder + "/00000000000000fe"));
  EXPECT_TRUE(std::filesystem::exists(folder + "/notes.txt"));
  EXPECT_EQ(engine_->stats().tiers[0].resident, 1U);
}

TEST_F(ScrubTest, OneWrongBlockEndsTrustUntilAScrubIsThroughAlsoInTheNextLife) {
  start();
  const std::string content = make_resident("a", 4 * kMiB, 1);
  restart();  // its blocks are unverified again
  readers_.push_back(open("a"));
  ASSERT_TRUE(readers_[0]->backing().has_value());
  flip_bit(data().at(0), 8 * kMiB);
  EXPECT_EQ(read(*readers_[0], 0, 2 * kMiB), content.substr(0, 2 * kMiB)) << "the origin's bytes";
  EXPECT_FALSE(engine_->trusts_store());
  EXPECT_EQ(read_all("a"), content);
  await_resident("a");
  EXPECT_FALSE(open("a")->backing().has_value()) << "nothing is given to the kernel";
  restart();
  EXPECT_FALSE(engine_->trusts_store());
  EXPECT_EQ(scrub().bad_blocks, 0U);
  EXPECT_TRUE(engine_->trusts_store());
  EXPECT_TRUE(open("a")->backing().has_value());
  restart();
  EXPECT_TRUE(engine_->trusts_store());
}

TEST_F(ScrubTest, ADiskThatCannotBeReadEndsThePassAndCostsNoReadAByte) {
  start();
  std::vector<std::string> contents;
  contents.reserve(8);
  for (int file = 0; file < 8; ++file) {
    contents.push_back(make_resident("m" + std::to_string(file), 2 * kMiB, static_cast<std::uint64_t>(file)));
  }
  io_.fail_from(FileCall::read_at, 1, EIO);
  const auto state = scrub();
  EXPECT_NE(state.failure, "");
  EXPECT_FALSE(state.last_finished.has_value());
  EXPECT_LT(state.damaged.size(), contents.size()) << "it gave up before it had dropped all";
  EXPECT_FALSE(engine_->trusts_store());
  for (std::size_t file = 0; file < contents.size(); ++file) {
    EXPECT_TRUE(read_all("m" + std::to_string(file)) == contents[file]) << file;
  }
  io_.heal();
  EXPECT_EQ(scrub().failure, "");
  EXPECT_TRUE(engine_->trusts_store());
}

TEST_F(ScrubTest, ItBeginsByItselfWhenItIsDue) {
  config_.scrub.interval = std::chrono::milliseconds(20);
  start();
  make_resident("a", 4 * kMiB, 1);
  flip_bit(data().at(0), 0);
  eventually("a scrub finds it", [&] { return engine_->stats().scrub_bad_blocks == 1; });
  eventually("another one follows", [&] { return engine_->scrub_state().pass >= 3; });
}

TEST_F(ScrubTest, OneThatWasInterruptedGoesOnWhereItWasAQuarterOfAnHourAfterTheStart) {
  start();
  make_resident("a", 2 * kMiB, 1);
  make_resident("b", 3 * kMiB, 2);
  stop();
  index_contents([](store::Index& index, const store::IndexContents& contents) {
    ASSERT_EQ(contents.rows.size(), 2U);
    index.put_counter("scrub_next_object", store::to_number(contents.rows[1].id));
  });
  start_in_simulated_time();
  simulated_.advance(minutes(14));
  EXPECT_EQ(engine_->scrub_state().pass, 0U);
  simulated_.advance(minutes(1));
  eventually("it goes on", [&] { return engine_->scrub_state().last_finished.has_value(); });
  EXPECT_EQ(engine_->scrub_state().checked_bytes, 3 * kMiB) << "the first was checked before";
  stop();
  const auto contents = index_contents([](store::Index&, const store::IndexContents&) {});
  EXPECT_EQ(contents.counters.at("scrub_next_object"), 0U);
  EXPECT_GT(contents.counters.at("scrub_finished_s"), 0U);
}

TEST_F(ScrubTest, AStoreThatWasNeverScrubbedIsDueAnIntervalAfterItsFirstLifeBegan) {
  start();
  make_resident("a", 2 * kMiB, 1);
  stop();
  const auto long_ago = simulated_.wall_now().time_since_epoch() - hours(24 * 31);
  index_contents([&](store::Index& index, const store::IndexContents& contents) {
    EXPECT_GT(contents.counters.at("scrub_counted_from_s"), 0U);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(long_ago).count();
    index.put_counter("scrub_counted_from_s", static_cast<std::uint64_t>(seconds));
  });
  start_in_simulated_time();
  simulated_.advance(minutes(15));
  eventually("it is scrubbed", [&] { return engine_->scrub_state().last_finished.has_value(); });
}

TEST_F(ScrubTest, WhoAsksDoesNotWaitForOneThatRunsByItself) {
  config_.scrub.interval = std::chrono::milliseconds(1);
  start();
  make_resident("a", 8 * kMiB, 1);
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t pass = engine_->start_scrub().pass;
    eventually("it is over", [&] {
      const auto state = engine_->scrub_state();
      return state.pass > pass || (state.pass == pass && !state.is_active);
    });
  }
}

ScrubPlan plan(base::Duration interval) {
  return {
      .interval = interval, .last_finished = base::WallTime(hours(1000)), .is_interrupted = false, .is_suspect = false};
}

TEST(ScrubPlan, IsDueAnIntervalAfterTheLast) {
  EXPECT_EQ(scrub_due_in(plan(hours(100)), base::WallTime(hours(1030)), hours(5)), hours(70));
  EXPECT_EQ(scrub_due_in(plan(hours(100)), base::WallTime(hours(1101)), hours(5)), hours(0));
  EXPECT_EQ(scrub_due_in(plan(hours(0)), base::WallTime(hours(1101)), hours(5)), std::nullopt);
}

TEST(ScrubPlan, AnOverdueOneDoesNotBeginWithTheDaemon) {
  EXPECT_EQ(scrub_due_in(plan(hours(100)), base::WallTime(hours(9000)), minutes(0)), minutes(15));
  EXPECT_EQ(scrub_due_in(plan(hours(100)), base::WallTime(hours(9000)), minutes(10)), minutes(5));
  EXPECT_EQ(scrub_due_in(plan(minutes(3)), base::WallTime(hours(9000)), minutes(0)), minutes(3));
}

TEST(ScrubPlan, AnInterruptedOneGoesOnAQuarterOfAnHourAfterTheStart) {
  auto interrupted = plan(hours(100));
  interrupted.is_interrupted = true;
  EXPECT_EQ(scrub_due_in(interrupted, base::WallTime(hours(1001)), minutes(0)), minutes(15));
  EXPECT_EQ(scrub_due_in(interrupted, base::WallTime(hours(1001)), minutes(20)), minutes(0));
}

TEST(ScrubPlan, ASuspectStoreIsScrubbedSoon) {
  auto suspect = plan(hours(100));
  suspect.is_suspect = true;
  EXPECT_EQ(scrub_due_in(suspect, base::WallTime(hours(1001)), hours(50)), minutes(1));
}

TEST(ScrubPlan, AClockThatWasSetBackPutsItOffByOneIntervalAtMost) {
  EXPECT_EQ(scrub_due_in(plan(hours(100)), base::WallTime(hours(3)), hours(50)), hours(100));
}

}  // namespace
}  // namespace arenacache::cache
