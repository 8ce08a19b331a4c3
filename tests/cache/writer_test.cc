// SPDX-License-Identifier: Apache-2.0
// Writers through the mount, of an origin where files are known by their paths: what they leave of the store, for this life and
// for one after a crash.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "arenacache/store/index.h"
#include "cache/engine_fixture.h"

namespace arenacache::cache {
namespace {

constexpr std::size_t kSize = 4 * kMiB;

class WriterTest : public EngineFixture {
 protected:
  WriterTest() : EngineFixture(test::FakeOrigin::sshfs_fidelity()) {}
  ~WriterTest() override { stop(); }

  void make_resident(const std::string& path, std::uint64_t seed) {
    origin_->put_random(path, kSize, seed);
    EXPECT_TRUE(read_all(path) == origin_->content(path));
    await_resident(path);
  }
  void move(const std::string& from, const std::string& to) {
    const auto moving = engine_->before_rename(source_, {.from = from, .to = to});
    origin_->move(from, to);
    engine_->renamed(source_, from, to, false);
  }
  /// The row of `path` as the next life finds it.
  store::IndexRow row_of(const std::string& path) {
    stop();
    store::IndexContents contents;
    const auto index = test::must(store::Index::open(store_.path("store/index.db"), contents));
    test::must(index->close());
    for (const auto& row : contents.rows) {
      if (row.origin.path == path) return row;
    }
    ADD_FAILURE() << "no row of " << path;
    return {};
  }
};

TEST_F(WriterTest, TheMarkStaysWhateverElseTheIndexIsToldOfTheFile) {
  start();
  make_resident("a", 1);
  const auto writer = engine_->open_for_writing(ref("a"));
  read(*open("a"), 0, 100);  // a use: the row is written again at the end
  EXPECT_TRUE(row_of("a").dirty);
}

TEST_F(WriterTest, TheMarkGoesWithTheLastWriter) {
  start();
  make_resident("a", 1);
  auto first = engine_->open_for_writing(ref("a"));
  auto second = engine_->open_for_writing(ref("a"));
  first.reset();
  second.reset();
  EXPECT_FALSE(row_of("a").dirty);
}

TEST_F(WriterTest, NothingIsCopiedWhileAWriterWritesOn) {
  start();
  make_resident("a", 1);
  auto writer = engine_->open_for_writing(ref("a"));
  writer->before_data_change();
  EXPECT_FALSE(engine_->prefetch(ref("a")));
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  EXPECT_TRUE(engine_->list(source_, "a").empty());
  writer.reset();
  EXPECT_TRUE(engine_->prefetch(ref("a")));
  await_resident("a");
}

/// A thread that lets go of a handle may be slower than the program that closed it, and whoever opens again.
TEST_F(WriterTest, WhatWasWrittenIsFilledWhenTheLastWriterIsGone) {
  config_.fill.on_write = true;
  start();
  origin_->put_random("a", kSize, 1);
  auto first = engine_->open_for_writing(ref("a"));
  auto second = engine_->open_for_writing(ref("a"));
  engine_->written(ref("a"));
  move("a", "b");
  first.reset();
  EXPECT_TRUE(engine_->list(source_, "b").empty());
  second.reset();
  await_resident("b");
}

TEST_F(WriterTest, WhatIsWrittenAgainIsNotFilledBefore) {
  config_.fill.on_write = true;
  start();
  origin_->put_random("a", kSize, 1);
  auto first = engine_->open_for_writing(ref("a"));
  engine_->written(ref("a"));
  auto second = engine_->open_for_writing(ref("a"));
  first.reset();
  second.reset();
  EXPECT_TRUE(engine_->list(source_, "a").empty());
  EXPECT_EQ(engine_->stats().fills_queued + engine_->stats().fills_active, 0U);
}

TEST_F(WriterTest, AWriterIsOneOfTheFileUnderItsNewNameToo) {
  start();
  make_resident("a", 1);
  const auto writer = engine_->open_for_writing(ref("a"));
  move("a", "b");
  writer->before_data_change();
  EXPECT_TRUE(engine_->list(source_, "b").empty());
  EXPECT_FALSE(engine_->prefetch(ref("b")));
}

TEST_F(WriterTest, AWriterOfAFileThatWasReplacedIsNoneOfTheNewOne) {
  start();
  make_resident("a", 1);
  make_resident("b", 2);
  const auto writer = engine_->open_for_writing(ref("b"));
  move("a", "b");
  writer->before_data_change();
  EXPECT_EQ(engine_->list(source_, "b").size(), 1U);
  EXPECT_FALSE(row_of("b").dirty);
}

TEST_F(WriterTest, WhatIsKnownUnderANameGivesWayToTheFileThatIsMovedThere) {
  start();
  make_resident("a", 1);
  make_resident("b", 2);
  const auto moving = engine_->before_rename(source_, {.from = "a", .to = "b"});
  origin_->move("a", "b");
  readers_.push_back(open("b"));  // before the engine was told
  engine_->renamed(source_, "a", "b", false);
  EXPECT_TRUE(read_all("b") == origin_->content("b"));
  EXPECT_EQ(engine_->list(source_, "").size(), 1U);
}

TEST_F(WriterTest, AReadDuringARenameWaitsForWhatTheEngineIsTold) {
  start();
  origin_->put_random("a", kSize, 1);
  const auto reader = open("a");
  auto moving = engine_->before_rename(source_, {.from = "a", .to = "b"});
  origin_->move("a", "b");
  Answer answer;
  reader->read(0, 4096, answer.done());
  ASSERT_TRUE(origin_->await_calls(test::OriginCall::open, 1));
  engine_->renamed(source_, "a", "b", false);
  moving.reset();
  EXPECT_TRUE(answer.bytes() == origin_->content("b").substr(0, 4096));
}

}  // namespace
}  // namespace arenacache::cache
