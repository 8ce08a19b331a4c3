// SPDX-License-Identifier: Apache-2.0
// Versions: changes behind our back, changes through the mount, settling, restarts.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "cache/engine_fixture.h"

namespace arenacache::cache {
namespace {

using test::OriginCall;

class VersionTest : public EngineFixture {
 protected:
  std::string cached(const std::string& path, std::uint64_t seed, std::size_t size = 12 * kMiB) {
    std::string content = origin_->put_random(path, size, seed);
    EXPECT_TRUE(read_all(path) == content);
    await_resident(path);
    origin_->reset_counts();
    return content;
  }
};

TEST_F(VersionTest, AChangedFileGivesTheNextOpenTheNewBytesAndDropsTheOldObject) {
  start();
  const std::string old_content = cached("a", 1);
  const auto old_reader = open("a");
  const std::string fresh = origin_->put_random("a", 12 * kMiB, 2);
  EXPECT_TRUE(read_all("a") == fresh);
  EXPECT_EQ(read(*old_reader, 5 * kMiB, 4096), old_content.substr(5 * kMiB, 4096))
      << "one version: the store has it whole";
}

TEST_F(VersionTest, AReaderOfAHalfFetchedVersionGetsEstaleNeverAMix) {
  config_.cache.min_size = 1000 * kMiB;  // demand only
  start();
  const std::string old_content = origin_->put_random("a", 8 * kMiB, 3);
  origin_->set_mtime("a", {.tv_sec = 1'000'000, .tv_nsec = 0});  // the change must not have the same one
  const auto reader = open("a");
  EXPECT_EQ(read(*reader, 0, 4096), old_content.substr(0, 4096));
  origin_->put_random("a", 8 * kMiB, 4);
  Answer answer;
  reader->read(4 * kMiB, 4096, answer.done());
  ASSERT_TRUE(answer.error().has_value());
  EXPECT_EQ(answer.error()->errno_value, ESTALE);
  EXPECT_GE(engine_->stats().stale_reads, 1U);
}

TEST_F(VersionTest, AFileThatIsRemovedBeforeItsFirstReadGivesEstale) {
  start();
  origin_->put_random("a", 8 * kMiB, 5);
  const auto reader = open("a");
  origin_->erase("a");
  Answer answer;
  reader->read(0, 4096, answer.done());
  ASSERT_TRUE(answer.error().has_value());
  EXPECT_EQ(answer.error()->errno_value, ESTALE);
  EXPECT_GE(engine_->stats().stale_reads, 1U);
}

TEST_F(VersionTest, AChangeInTheMiddleOfAnOriginReadIsNoticed) {
  start();
  origin_->put_random("a", 8 * kMiB, 5);
  origin_->set_mtime("a", {.tv_sec = 1'000'000, .tv_nsec = 0});  // the change must not have the same one
  const auto reader = open("a");
  origin_->after_bytes("a", 1000, [&] { origin_->put_random("a", 8 * kMiB, 6); });
  Answer answer;
  reader->read(0, 4096, answer.done());
  ASSERT_TRUE(answer.error().has_value());
  EXPECT_EQ(answer.error()->errno_value, ESTALE);
}

TEST_F(VersionTest, AFileReplacedByARenameKeepsItsReadersOnTheOldOne) {
  config_.cache.min_size = 1000 * kMiB;
  start();
  const std::string old_content = origin_->put_random("a", 8 * kMiB, 7);
  const auto reader = open("a");
  EXPECT_EQ(read(*reader, 0, 4096), old_content.substr(0, 4096));
  origin_->replace("a", std::string(8 * kMiB, 'n'));
  EXPECT_EQ(read(*open("a"), 0, 3), "nnn");
  EXPECT_EQ(read(*reader, 6 * kMiB, 4096), old_content.substr(6 * kMiB, 4096));
}

TEST_F(VersionTest, RenamesOfFilesAndFoldersCarryTheObject) {
  start();
  const std::string content = cached("dir/a", 8);
  auto before = ref("dir/a");
  origin_->move("dir/a", "dir/b");
  engine_->renamed(source_, "dir/a", "dir/b", false);
  before.path = "dir/b";
  engine_->attributes_changed(before, ref("dir/b").version);  // the rename moved its ctime
  EXPECT_TRUE(read_all("dir/b") == content);
  origin_->move("dir", "other");
  engine_->renamed(source_, "dir", "other", false);
  EXPECT_TRUE(read_all("other/b") == content);
  EXPECT_EQ(origin_->read_bytes(), 0U);
  EXPECT_EQ(engine_->list(source_, "other").size(), 1U);
  EXPECT_TRUE(engine_->list(source_, "dir").empty());
}

TEST_F(VersionTest, AReaderOfADroppedObjectFindsItsFileUnderItsNewName) {
  start();
  const std::string content = cached("dir/a", 8);
  const auto reader = open("dir/a");
  EXPECT_TRUE(reader->was_hit());
  EXPECT_EQ(engine_->evict(source_, "dir/a").first, 1U);
  origin_->move("dir", "other");
  engine_->renamed(source_, "dir", "other", false);
  io_.fail_from(test::FileCall::read_at, 1, EIO);  // the store's file was all it had
  EXPECT_EQ(read(*reader, 3 * kMiB, 4096), content.substr(3 * kMiB, 4096));
  io_.heal();
}

TEST_F(VersionTest, AttributesChangedThroughTheMountCostNothing) {
  start();
  const std::string content = cached("a", 9);
  const auto before = ref("a");
  origin::Caller root;
  ASSERT_TRUE(test::is_ok(origin_->set_attributes("a", {.mode = 0600}, root)));
  engine_->attributes_changed(before, ref("a").version);
  EXPECT_TRUE(read_all("a") == content);
  EXPECT_EQ(origin_->read_bytes(), 0U);
}

TEST_F(VersionTest, AttributesOfAFileThatIsCachedInPartAndRestsMayChange) {
  start();
  const std::string content = origin_->put_random("a", 16 * kMiB, 9);
  const auto cached_bytes = [&] {
    const auto objects = engine_->list(source_, "a");
    return objects.empty() ? 0 : objects[0].cached_bytes;
  };
  EXPECT_EQ(read(*open("a"), 0, 4096), content.substr(0, 4096));
  eventually("its block is stored", [&] { return cached_bytes() == kMiB; });
  restart();
  EXPECT_EQ(read(*open("a"), 0, 4096), content.substr(0, 4096));
  const auto before = ref("a");
  const origin::Caller root;
  ASSERT_TRUE(test::is_ok(origin_->set_attributes("a", {.mode = 0600}, root)));
  engine_->attributes_changed(before, ref("a").version);
  restart();  // what is known of it is written out, with its file closed
  EXPECT_EQ(cached_bytes(), kMiB);
  EXPECT_EQ(read(*open("a"), 0, 4096), content.substr(0, 4096));
}

TEST_F(VersionTest, ACtimeThatMovedBehindOurBackIsCheckedAndTheObjectStays) {
  start();
  const std::string content = cached("a", 10);
  origin::Caller root;
  ASSERT_TRUE(test::is_ok(origin_->set_attributes("a", {.mode = 0600}, root)));
  const auto reader = open("a");
  EXPECT_TRUE(reader->was_hit());
  EXPECT_EQ(read(*reader, 0, 4096), content.substr(0, 4096));
  EXPECT_GT(origin_->read_bytes(), 0U);
  eventually("every block is compared", [&] { return origin_->read_bytes() >= content.size(); });
  EXPECT_EQ(engine_->list(source_, "").size(), 1U);
}

TEST_F(VersionTest, OtherBytesBehindAnUnchangedMtimeAreFoundBySamples) {
  start();
  cached("a", 11);
  const auto times = origin_->attributes("a").st_mtim;
  const std::string fresh = origin_->put_random("a", 12 * kMiB, 12);
  origin_->set_mtime("a", times);  // ctime alone tells
  EXPECT_TRUE(read_all("a") == fresh);
}

TEST_F(VersionTest, AWriterDropsTheObjectAndItsReadersSeeTheNewBytesAtOnce) {
  start();
  cached("a", 13);
  const auto reader = open("a");
  const auto writer = engine_->open_for_writing(ref("a"));
  writer->before_data_change();
  const std::string fresh = origin_->put_random("a", 12 * kMiB, 14);
  EXPECT_EQ(read(*reader, kMiB, 4096), fresh.substr(kMiB, 4096));
  EXPECT_TRUE(engine_->list(source_, "").empty());
}

TEST_F(VersionTest, AWriterIsNotFollowedByWhoOpenedTheFileBeforeItChangedBehindOurBack) {
  config_.cache.min_size = 1000 * kMiB;  // demand only
  start();
  origin_->put_random("a", 12 * kMiB, 13);
  origin_->set_mtime("a", {.tv_sec = 1'000'000, .tv_nsec = 0});
  const auto reader = open("a");
  origin_->put_random("a", 12 * kMiB, 14);
  engine_->open_for_writing(ref("a"))->before_data_change();
  Answer answer;
  reader->read(kMiB, 4096, answer.done());
  ASSERT_TRUE(answer.error().has_value());
  EXPECT_EQ(answer.error()->errno_value, ESTALE);
}

TEST_F(VersionTest, AWriterThatChangesNothingCostsNothing) {
  start();
  const std::string content = cached("a", 15);
  {
    const auto writer = engine_->open_for_writing(ref("a"));
  }
  EXPECT_TRUE(read_all("a") == content);
  EXPECT_EQ(origin_->read_bytes(), 0U);
}

TEST_F(VersionTest, ARestartServesWhatWasResident) {
  start();
  const std::string content = cached("dir/a", 16);
  restart();
  origin_->reset_counts();
  EXPECT_TRUE(open("dir/a")->was_hit());
  EXPECT_TRUE(read_all("dir/a") == content);
  EXPECT_EQ(origin_->read_bytes(), 0U);
}

TEST_F(VersionTest, ARestartGoesOnWithAFill) {
  start();
  const std::string content = origin_->put_random("a", 64 * kMiB, 17);
  origin_->close_gate(OriginCall::read);
  origin_->let_through(OriginCall::read, 6);
  ASSERT_TRUE(engine_->prefetch(ref("a")));
  eventually("a part is there", [&] {
    const auto objects = engine_->list(source_, "a");
    return objects.size() == 1 && objects[0].cached_bytes >= 16 * kMiB;
  });
  restart();
  await_resident("a");
  EXPECT_LE(origin_->read_bytes(), content.size() + 24 * kMiB) << "what was there is not fetched again";
  EXPECT_TRUE(read_all("a") == content);
}

TEST_F(VersionTest, AChangeWhileTheDaemonWasDownIsNoticed) {
  start();
  cached("a", 18);
  stop();
  const std::string fresh = origin_->put_random("a", 12 * kMiB, 19);
  start();
  EXPECT_FALSE(open("a")->was_hit());
  EXPECT_TRUE(read_all("a") == fresh);
}

TEST_F(VersionTest, PinsAndLifetimeCountersSurviveARestart) {
  start();
  cached("dir/a", 20);
  engine_->pin(source_, "dir");
  restart();
  ASSERT_EQ(engine_->pins().size(), 1U);
  EXPECT_TRUE(engine_->list(source_, "dir/a").at(0).pinned);
  std::uint64_t completed = 0;
  for (const auto& [name, value] : engine_->stats().lifetime) completed += name == "fills_completed" ? value : 0;
  EXPECT_EQ(completed, 1U);
}

}  // namespace
}  // namespace arenacache::cache
