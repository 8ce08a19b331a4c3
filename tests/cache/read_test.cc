// SPDX-License-Identifier: Apache-2.0
// The way of a read: misses, hits, flights, admission, modes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cache/engine_fixture.h"

namespace arenacache::cache {
namespace {

using test::OriginCall;

class ReadTest : public EngineFixture {};

TEST_F(ReadTest, AFirstReadGivesTheOriginsBytesAndASecondOneCostsTheOriginNothing) {
  start();
  const std::string content = origin_->put_random("a.safetensors", 20 * kMiB + 12345, 1);
  EXPECT_EQ(read_all("a.safetensors"), content);
  await_resident("a.safetensors");
  EXPECT_LE(origin_->read_bytes(), content.size() * 102 / 100) << "each byte is fetched once";
  origin_->reset_counts();
  EXPECT_EQ(read_all("a.safetensors"), content);
  EXPECT_EQ(origin_->read_bytes(), 0U);
  const auto stats = engine_->stats();
  EXPECT_EQ(stats.opens_hit, 1U);
  EXPECT_EQ(stats.opens_miss, 1U);
  EXPECT_EQ(stats.tiers[0].resident, 1U);
}

TEST_F(ReadTest, TenReadersOfOneBlockAreOneOriginRead) {
  start();
  const std::string content = origin_->put_random("a", 4 * kMiB, 2);
  origin_->close_gate(OriginCall::read);
  std::vector<Answer> answers(10);
  for (auto& answer : answers) {
    readers_.push_back(open("a"));
    readers_.back()->read(1000, 2000, answer.done());
  }
  ASSERT_TRUE(origin_->await_held(OriginCall::read, 1));
  EXPECT_FALSE(answers[9].is_answered());
  origin_->open_gate(OriginCall::read);
  for (auto& answer : answers) EXPECT_EQ(answer.bytes(), content.substr(1000, 2000));
  EXPECT_EQ(origin_->calls(OriginCall::read), 1U);
}

TEST_F(ReadTest, AnyExtentOverBlockBordersIsRight) {
  start();
  const std::string content = origin_->put_random("a", 9 * kMiB + 77, 3);
  const auto reader = open("a");
  std::mt19937 random(static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed()));
  for (int step = 0; step < 300; ++step) {
    const std::uint64_t offset = random() % (content.size() + 10);
    const std::size_t length = random() % (3 * kMiB);
    const std::string expected = offset < content.size() ? content.substr(offset, length) : std::string();
    ASSERT_TRUE(read(*reader, offset, length) == expected) << "offset " << offset << " length " << length;
  }
}

TEST_F(ReadTest, HeadersOfManyFilesStartNoFillAndCostLittle) {
  start();
  constexpr int kFiles = 12;
  for (int n = 0; n < kFiles; ++n) {
    const std::string path = "lora" + std::to_string(n);
    origin_->put_random(path, 16 * kMiB, static_cast<std::uint64_t>(n));
    const auto reader = open(path);
    read(*reader, 0, 8);
    read(*reader, 8, 100'000);
    read(*reader, 16 * kMiB - 70'000, 70'000);
  }
  const auto stats = engine_->stats();
  EXPECT_EQ(stats.fills_active + stats.fills_queued + stats.fills_completed, 0U);
  EXPECT_LE(origin_->read_bytes(), kFiles * 2 * kMiB);
  origin_->reset_counts();
  for (int n = 0; n < kFiles; ++n) read(*open("lora" + std::to_string(n)), 8, 100'000);
  EXPECT_EQ(origin_->read_bytes(), 0U) << "header blocks are kept";
}

TEST_F(ReadTest, RandomPageFaultsBecomeOneFill) {
  start();
  const std::string content = origin_->put_random("a", 40 * kMiB, 4);
  const auto reader = open("a");
  std::vector<std::uint64_t> pages(40);
  std::iota(pages.begin(), pages.end(), 0U);
  std::shuffle(pages.begin(), pages.end(), std::mt19937(5));
  for (const auto page : pages)
    EXPECT_EQ(read(*reader, page * kMiB + 4096, 4096), content.substr(page * kMiB + 4096, 4096));
  await_resident("a");
  EXPECT_EQ(origin_->read_bytes(), content.size());
}

TEST_F(ReadTest, AnEmptyFileReadsEmpty) {
  start();
  origin_->put("empty", "");
  EXPECT_EQ(read(*open("empty"), 0, 4096), "");
}

TEST_F(ReadTest, AMissFailsWithTheOriginsErrorAndTheNextOneTriesAgain) {
  start();
  const std::string content = origin_->put_random("a", kMiB, 6);
  const auto reader = open("a");
  origin_->fail_next(OriginCall::read, 1, EIO);
  Answer failed;
  reader->read(0, 4096, failed.done());
  ASSERT_TRUE(failed.error().has_value());
  EXPECT_EQ(failed.error()->errno_value, EIO);
  EXPECT_EQ(read(*reader, 0, 4096), content.substr(0, 4096));
}

TEST_F(ReadTest, AReadThatJoinsOneWhichIsFailingIsAnsweredToo) {
  constexpr unsigned kReads = 3000;
  start();
  origin_->put_random("a", kMiB, 6);
  const auto reader = open("a");
  origin_->fail_next(OriginCall::read, 100 * kReads, EIO);
  const auto read_again_and_again = [&] {
    for (unsigned i = 0; i < kReads && !HasFailure(); ++i) {
      Answer failed;
      reader->read(0, 4096, failed.done());
      EXPECT_TRUE(failed.error().has_value()) << i;
    }
  };
  std::thread other(read_again_and_again);
  read_again_and_again();
  other.join();
}

TEST_F(ReadTest, AHungOriginFailsAMissAtItsDeadlineAndNeverBlocksAHit) {
  config_.origin.read_timeout = std::chrono::milliseconds(300);
  start();
  const std::string content = origin_->put_random("hit", 3 * kMiB, 7);
  origin_->put_random("miss", 3 * kMiB, 8);
  EXPECT_EQ(read_all("hit"), content);
  await_resident("hit");
  const auto hit = open("hit");
  const auto miss = open("miss");
  origin_->close_gate(OriginCall::read);
  origin_->close_gate(OriginCall::open);
  Answer waiting;
  miss->read(0, 4096, waiting.done());
  Answer immediate;
  hit->read(0, 4096, immediate.done());
  EXPECT_TRUE(immediate.is_answered());
  ASSERT_TRUE(waiting.error().has_value());
  EXPECT_EQ(waiting.error()->errno_value, ETIMEDOUT);
}

TEST_F(ReadTest, UseOnlyServesWhatIsThereAndAddsNothing) {
  start();
  const std::string kept = origin_->put_random("kept", 12 * kMiB, 9);
  const std::string other = origin_->put_random("other", 12 * kMiB, 10);
  EXPECT_EQ(read_all("kept"), kept);
  await_resident("kept");
  engine_->set_mode(config::CacheMode::use_only);
  origin_->reset_counts();
  EXPECT_EQ(read_all("kept"), kept);
  EXPECT_EQ(origin_->read_bytes(), 0U);
  EXPECT_EQ(read_all("other"), other);
  EXPECT_EQ(engine_->list(source_, "").size(), 1U);
}

TEST_F(ReadTest, OffIsAMirrorOnly) {
  start();
  const std::string content = origin_->put_random("a", 12 * kMiB, 11);
  EXPECT_EQ(read_all("a"), content);
  await_resident("a");
  engine_->set_mode(config::CacheMode::off);
  origin_->reset_counts();
  EXPECT_EQ(read_all("a"), content);
  EXPECT_EQ(origin_->read_bytes(), content.size());
  EXPECT_FALSE(open("a")->was_hit());
}

TEST_F(ReadTest, IgnoredCommandsReadThroughAndAreNoUse) {
  // This very process is the command; the kernel cuts names to fifteen characters.
  config_.cache.ignore_commands = {"cache_test"};
  start();
  const std::string content = origin_->put_random("a", 12 * kMiB, 12);
  const auto reader = open("a", ::getpid());
  std::string bytes;
  while (bytes.size() < content.size()) bytes += read(*reader, bytes.size(), kMiB);
  EXPECT_TRUE(bytes == content);
  EXPECT_TRUE(engine_->list(source_, "").empty());
  EXPECT_EQ(engine_->stats().opens_ignored, 1U);
}

TEST_F(ReadTest, ExcludedFilesAreNotKept) {
  config_.cache.exclude = {"*.tmp"};
  start();
  const std::string content = origin_->put_random("x.tmp", 12 * kMiB, 13);
  EXPECT_EQ(read_all("x.tmp"), content);
  EXPECT_TRUE(engine_->list(source_, "").empty());
}

class NetworkReadTest : public EngineFixture {
 protected:
  NetworkReadTest() : EngineFixture(test::FakeOrigin::sshfs_fidelity()) {}
};

TEST_F(NetworkReadTest, ASmallReadIsAnsweredBeforeItsBlockComesOverTheLine) {
  start();
  const std::string content = origin_->put_random("a", 40 * kMiB, 9);
  const auto reader = open("a");
  origin_->close_gate(OriginCall::read);
  Answer small, beside;
  reader->read(8, 4096, small.done());
  ASSERT_TRUE(origin_->await_held(OriginCall::read, 1));
  origin_->let_through(OriginCall::read, 1);
  EXPECT_EQ(small.bytes(), content.substr(8, 4096));
  reader->read(100'000, 4096, beside.done());
  ASSERT_TRUE(origin_->await_held(OriginCall::read, 1));
  origin_->open_gate(OriginCall::read);
  EXPECT_EQ(beside.bytes(), content.substr(100'000, 4096));
  EXPECT_EQ(origin_->calls(OriginCall::read), 2U);
  EXPECT_EQ(origin_->read_bytes(), 4096 + kMiB) << "who reads on in a block has it whole";
}

TEST_F(NetworkReadTest, HeadersAreKeptOnceTheLineIsQuiet) {
  start();
  constexpr int kFiles = 10;
  const auto path_of = [](int n) { return base::text("lora", n); };
  for (int n = 0; n < kFiles; ++n) {
    const std::string content = origin_->put_random(path_of(n), 16 * kMiB, static_cast<std::uint64_t>(n));
    EXPECT_EQ(read(*open(path_of(n)), 8, 16'000), content.substr(8, 16'000));
  }
  for (int n = 0; n < kFiles; ++n) {
    const auto reads = origin_->reads();
    const auto first = std::ranges::find(reads, path_of(n), &test::FakeOrigin::ReadRecord::path);
    ASSERT_NE(first, reads.end());
    EXPECT_EQ(first->length, 16'000U) << "no block was waited for";
  }
  eventually("their blocks are stored", [&] {
    std::uint64_t cached = 0;
    for (const auto& object : engine_->list(source_, "")) cached += object.cached_bytes;
    return cached == kFiles * kMiB;
  });
  origin_->reset_counts();
  for (int n = 0; n < kFiles; ++n) read(*open(path_of(n)), 8, 16'000);
  EXPECT_EQ(origin_->read_bytes(), 0U);
}

TEST_F(NetworkReadTest, ASmallReadThatFailsIsTriedAgain) {
  start();
  const std::string content = origin_->put_random("a", 40 * kMiB, 9);
  const auto reader = open("a");
  origin_->fail_next(OriginCall::read, 1, EACCES);
  Answer failed;
  reader->read(8, 4096, failed.done());
  ASSERT_TRUE(failed.error().has_value());
  EXPECT_EQ(read(*reader, 8, 4096), content.substr(8, 4096));
}

TEST_F(NetworkReadTest, ALoadCostsTheLineHardlyMoreThanItsBytes) {
  start();
  const std::string content = origin_->put_random("a", 20 * kMiB + 12345, 1);
  const auto reader = open("a");
  for (std::uint64_t at = 0; at < content.size(); at += 16 * base::kKiB) {
    ASSERT_EQ(read(*reader, at, 16 * base::kKiB), content.substr(at, 16 * base::kKiB)) << at;
  }
  await_resident("a");
  EXPECT_LE(origin_->read_bytes(), content.size() * 102 / 100);
}

TEST_F(NetworkReadTest, ALostConnectionIsNoAnswer) {
  start();
  const std::string content = origin_->put_random("a", 2 * kMiB, 14);
  const auto reader = open("a");
  origin_->fail_next(OriginCall::read, 1, ENOTCONN);
  EXPECT_EQ(read(*reader, 0, 4096), content.substr(0, 4096));
  origin_->shorten_next_reads(1, 0);
  EXPECT_EQ(read(*reader, kMiB, 4096), content.substr(kMiB, 4096));
}

TEST_F(NetworkReadTest, ARenumberedInodeIsTheSameFile) {
  start();
  const std::string content = origin_->put_random("a", 12 * kMiB, 15);
  EXPECT_EQ(read_all("a"), content);
  await_resident("a");
  origin_->reset_counts();
  auto file = ref("a");
  file.version.inode += 1000;
  const auto reader = engine_->open({.file = file, .pid = 0, .has_writer = false, .caller = nullptr});
  EXPECT_TRUE(reader->was_hit());
  EXPECT_EQ(read(*reader, 0, kMiB), content.substr(0, kMiB));
  EXPECT_EQ(origin_->read_bytes(), 0U);
}

}  // namespace
}  // namespace arenacache::cache
