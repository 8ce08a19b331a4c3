// SPDX-License-Identifier: Apache-2.0
// Files with the same bytes share one file of the raw tier, and stay two objects in everything else.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cache/engine_fixture.h"
#include "support/store_files.h"

namespace arenacache::cache {
namespace {

using test::FileCall;

constexpr std::size_t kSize = (ARENACACHE_IS_SANITIZED ? 5 : 12) * kMiB + 5;

class DedupTest : public EngineFixture {
 protected:
  ~DedupTest() override { stop(); }

  void put(const std::string& path, std::uint64_t seed) { origin_->put_random(path, kSize, seed); }
  void fill(const std::string& path) {
    EXPECT_TRUE(read_all(path) == origin_->content(path)) << path;
    engine_->prefetch(ref(path));
    await_resident(path);
  }
  ObjectInfo info(const std::string& path) {
    const auto objects = engine_->list(source_, path);
    return objects.empty() ? ObjectInfo{} : objects[0];
  }
  void await_shared(const std::string& path) {
    eventually(path + " is shared", [&] { return info(path).raw_shared_bytes == kSize; });
    eventually("what it was is gone", [&] { return data_names().size() == engine_->stats().tiers[0].objects; });
  }
  /// a and b, with the same bytes, sharing one file.
  void make_shared_pair() {
    put("a", 1);
    put("b", 1);
    start();
    fill("a");
    fill("b");
    await_shared("b");
  }
  [[nodiscard]] std::vector<std::string> data_names() const { return test::raw_files(store_.path("store")); }
  [[nodiscard]] std::size_t data_files() const {
    std::set<ino_t> inodes;
    for (const std::string& name : data_names()) {
      struct stat raw = {};
      if (::stat(name.c_str(), &raw) == 0) inodes.insert(raw.st_ino);
    }
    return inodes.size();
  }
  [[nodiscard]] TierStats raw() const { return engine_->stats().tiers[0]; }
  void expect_room_of(unsigned files) {
    eventually("the room is that of so many files", [&] {
      const std::uint64_t used = raw().used_bytes;
      return used >= files * kSize && used < files * kSize + 2 * kMiB;
    });
  }
  void expect_hit(const std::string& path) {
    const std::uint64_t before = engine_->stats().origins[0].read_bytes;
    EXPECT_TRUE(open(path)->was_hit()) << path;
    EXPECT_TRUE(read_all(path) == origin_->content(path)) << path;
    EXPECT_EQ(engine_->stats().origins[0].read_bytes, before) << path;
  }
  void add_tier() {
    config_.cache.promote_after = 0;
    config_.pack.threads = 0;
    config_.tiers.push_back({.name = "packed",
                             .path = store_.path("packed"),
                             .capacity = {.bytes = 1000 * kMiB, .percent = 0},
                             .keep_free = {.bytes = 0, .percent = 0}});
  }
  void do_task(const std::string& path, TierTask task) {
    engine_->start_tier_task(source_, path, task, {});
    eventually(path + ": the task is done",
               [&] { return engine_->tier_progress(source_, path).state == PrefetchState::done; });
  }
  ScrubState scrub() {
    engine_->start_scrub();
    eventually("the scrub ends", [&] { return !engine_->scrub_state().is_active; });
    return engine_->scrub_state();
  }
};

TEST_F(DedupTest, TwoFilesWithTheSameBytesTakeTheirRoomOnceAndStayTwo) {
  make_shared_pair();
  EXPECT_EQ(data_files(), 1U);
  EXPECT_EQ(data_names().size(), 2U);
  expect_room_of(1);
  EXPECT_EQ(raw().resident, 2U);
  EXPECT_GE(raw().shared_bytes, kSize);
  EXPECT_EQ(info("a").raw_shared_bytes, kSize);
  expect_hit("a");
  expect_hit("b");

  EXPECT_EQ(engine_->evict(source_, "a").second, 0U) << "that frees nothing";
  EXPECT_EQ(info("b").raw_shared_bytes, 0U);
  EXPECT_EQ(raw().shared_bytes, 0U);
  expect_room_of(1);
  expect_hit("b");
  EXPECT_FALSE(open("a")->was_hit());
  EXPECT_EQ(engine_->evict(source_, "b").second, kSize);
  eventually("the file goes with the last of them", [this] { return raw().used_bytes < kMiB; });
  EXPECT_EQ(data_names().size(), 0U);
}

TEST_F(DedupTest, FilesOfOneSizeWithOtherBytesStayApart) {
  put("a", 1);
  put("b", 2);
  std::string nearly = origin_->content("b");
  nearly.back() = static_cast<char>(nearly.back() ^ 1);
  origin_->put("c", nearly);
  put("d", 2);
  start();
  for (const char* path : {"a", "b", "c", "d"}) fill(path);
  await_shared("d");
  EXPECT_EQ(info("b").raw_shared_bytes, kSize);
  EXPECT_EQ(info("a").raw_shared_bytes, 0U);
  EXPECT_EQ(info("c").raw_shared_bytes, 0U);
  EXPECT_EQ(data_files(), 3U);
  for (const char* path : {"a", "b", "c", "d"}) expect_hit(path);
}

TEST_F(DedupTest, AThirdOneJoins) {
  make_shared_pair();
  put("c", 1);
  fill("c");
  await_shared("c");
  EXPECT_EQ(data_files(), 1U);
  expect_room_of(1);
  engine_->evict(source_, "a");
  engine_->evict(source_, "c");
  expect_room_of(1);
  expect_hit("b");
}

TEST_F(DedupTest, WhatIsOpenIsNotTouchedUntilItIsClosed) {
  put("a", 1);
  put("b", 1);
  start();
  fill("a");
  const std::string content = origin_->content("a");
  const auto first = open("a");
  auto second = open("b");
  engine_->prefetch(ref("b"));
  await_resident("b");
  put("c", 2);
  fill("c");
  put("d", 2);
  fill("d");
  await_shared("d");  // which came later
  EXPECT_EQ(info("b").raw_shared_bytes, 0U);
  EXPECT_TRUE(read(*second, 5, 100) == content.substr(5, 100));
  second.reset();
  await_shared("b");
  EXPECT_TRUE(read(*first, 5, 100) == content.substr(5, 100)) << "a reader of the one that stays is in nobody's way";
  EXPECT_EQ(first->backing()->key, open("a")->backing()->key) << "it is the same object still";
}

TEST_F(DedupTest, AReaderOfADroppedOneKeepsTheRoomAndNothingIsCountedTwice) {
  make_shared_pair();
  auto reader = open("a");
  engine_->evict(source_, "a");
  EXPECT_EQ(raw().doomed_bytes, 0U) << "b has it";
  engine_->evict(source_, "b");
  EXPECT_GE(raw().doomed_bytes, kSize);
  EXPECT_LT(raw().doomed_bytes, kSize + kMiB);
  EXPECT_TRUE(read(*reader, 5, 100) == origin_->content("a").substr(5, 100));
  reader.reset();
  eventually("the room is free", [&] { return raw().doomed_bytes == 0 && raw().used_bytes < kMiB; });
}

TEST_F(DedupTest, AfterARestartTheRoomIsStillCountedOnce) {
  make_shared_pair();
  for (const bool has_index : {true, false}) {
    stop();
    if (!has_index) {
      for (const char* name : {"index.db", "index.db-wal"}) std::filesystem::remove(store_.path("store") + "/" + name);
    }
    start();
    expect_room_of(1);
    EXPECT_GE(raw().shared_bytes, kSize);
    EXPECT_EQ(info("a").raw_shared_bytes, kSize);
    if (has_index) expect_hit("a");
    EXPECT_TRUE(read_all("b") == origin_->content("b"));
    EXPECT_EQ(data_files(), 1U);
  }
  EXPECT_EQ(engine_->evict(source_, "a").second, 0U);
  EXPECT_TRUE(open("b")->was_hit());
}

TEST_F(DedupTest, WhatAnEarlierLifeLeftApartIsShared) {
  put("a", 1);
  put("b", 1);
  start();
  for (const char* path : {"a", "b"}) {
    const auto reader = open(path);
    readers_.push_back(reader);  // until it stops
    engine_->prefetch(ref(path));
    await_resident(path);
  }
  stop();
  EXPECT_EQ(data_files(), 2U);
  start();
  await_shared("a");
  EXPECT_EQ(data_files(), 1U);
  expect_room_of(1);
  expect_hit("a");
  expect_hit("b");
}

TEST_F(DedupTest, AChangeOfOneLeavesTheOther) {
  make_shared_pair();
  engine_->open_for_writing(ref("a"))->before_data_change();
  put("a", 7);
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  expect_hit("b");
  fill("a");
  expect_hit("a");
  EXPECT_EQ(data_files(), 2U);
}

TEST_F(DedupTest, RoomForOneIsEnoughForBoth) {
  config_.store.capacity = {.bytes = 40 * kMiB, .percent = 0};
  make_shared_pair();
  origin_->put_random("big", 24 * kMiB, 9);
  fill("big");
  EXPECT_EQ(engine_->stats().evicted_objects, 0U);
  for (const char* path : {"a", "b", "big"}) expect_hit(path);
  origin_->put_random("other", 12 * kMiB, 10);
  fill("other");
  EXPECT_EQ(info("a").size_bytes + info("b").size_bytes, 0U) << "the least used file goes, with both its names";
  EXPECT_GE(engine_->stats().evicted_objects, 2U);
  expect_hit("other");
}

TEST_F(DedupTest, DamageInASharedFileIsFoundForBothAndBothAreCopiedAgain) {
  make_shared_pair();
  const std::size_t before = io_.count(FileCall::read_at);
  EXPECT_EQ(scrub().checked_bytes, 2 * kSize);
  EXPECT_LT(io_.count(FileCall::read_at) - before, 20U) << "13 blocks were read once";
  test::flip_bit(data_names()[0], 3 * kMiB * 8 + 1);
  const auto state = scrub();
  EXPECT_EQ(state.bad_blocks, 2U);
  EXPECT_EQ(state.damaged.size(), 2U);
  EXPECT_TRUE(engine_->trusts_store());
  for (const char* path : {"a", "b"}) await_resident(path);
  for (const char* path : {"a", "b"}) expect_hit(path);
  await_shared("b");
  EXPECT_EQ(scrub().bad_blocks, 0U);
}

TEST_F(DedupTest, DamageThatComesToLightIsNotShared) {
  put("a", 1);
  put("b", 1);
  start();
  fill("a");
  test::flip_bit(data_names()[0], 3 * kMiB * 8 + 1);
  fill("b");
  eventually("a is dropped", [&] { return engine_->list(source_, "a").empty(); });
  expect_hit("b");
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  EXPECT_EQ(engine_->stats().checksum_errors, 1U);
}

TEST_F(DedupTest, WhereThereAreNoHardLinksAllStaysAsItWas) {
  io_.fail_from(FileCall::link, 1, EPERM);
  put("a", 1);
  put("b", 1);
  put("c", 1);
  start();
  for (const char* path : {"a", "b", "c"}) fill(path);
  eventually("it was tried", [&] { return io_.count(FileCall::link) > 0 && raw().compares_due == 0; });
  EXPECT_EQ(io_.count(FileCall::link), 1U) << "once";
  EXPECT_EQ(data_files(), 3U);
  for (const char* path : {"a", "b", "c"}) expect_hit(path);
  EXPECT_EQ(engine_->stats().store_errors, 0U);
}

TEST_F(DedupTest, OneIsPackedAndComesBackWhileTheOtherStays) {
  add_tier();
  make_shared_pair();
  do_task("a", TierTask::pack);
  EXPECT_EQ(info("a").state, ObjectState::packed);
  EXPECT_EQ(info("b").state, ObjectState::resident);
  expect_room_of(1);
  expect_hit("a");
  expect_hit("b");
  do_task("b", TierTask::pack);
  eventually("the raw tier lets the file go", [this] { return raw().used_bytes < kMiB; });
  for (const char* path : {"a", "b"}) do_task(path, TierTask::unpack);
  await_shared("b");
  expect_room_of(1);
  for (const char* path : {"a", "b"}) expect_hit(path);
  EXPECT_EQ(info("a").tier, "packed") << "the copies stay";
}

TEST_F(DedupTest, PackingTwoThatAreJustBeingSharedIsDoneAfterwards) {
  add_tier();
  put("a", 1);
  put("b", 1);
  const auto state = [this](const char* path) { return engine_->tier_progress(source_, path).state; };
  std::atomic<bool> were_asked = false;
  io_.before_next(test::FileCall::link, [&] {
    for (const char* path : {"a", "b"}) engine_->start_tier_task(source_, path, TierTask::pack, {});
    were_asked = true;
    eventually("the packer has come to the first", [&] { return state("a") != PrefetchState::queued; });
  });
  start();
  fill("a");
  fill("b");
  eventually("they were asked for", [&] { return were_asked.load(); });
  for (const char* path : {"a", "b"}) {
    eventually("the packer is done",
               [&] { return state(path) == PrefetchState::done || state(path) == PrefetchState::failed; });
    EXPECT_EQ(state(path), PrefetchState::done) << engine_->tier_progress(source_, path).reason;
    EXPECT_EQ(info(path).state, ObjectState::packed);
    expect_hit(path);
  }
}

TEST_F(DedupTest, TheKernelIsGivenTheSharedFileUnderTwoKeys) {
  make_shared_pair();
  const auto one = open("a")->backing();
  const auto other = open("b")->backing();
  ASSERT_TRUE(one && other);
  EXPECT_NE(one->key, other->key);
  struct stat left = {}, right = {};
  ASSERT_EQ(::fstat(one->descriptor, &left), 0);
  ASSERT_EQ(::fstat(other->descriptor, &right), 0);
  EXPECT_EQ(left.st_ino, right.st_ino);
}

}  // namespace
}  // namespace arenacache::cache
