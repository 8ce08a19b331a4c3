// SPDX-License-Identifier: Apache-2.0
#include "chunk_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "chunk_sequence.h"
#include "support/matchers.h"

namespace arenacache::cache {
namespace {

constexpr std::uint32_t kChunk = 1000;

/// Chunks of 1000 bytes, each full of its number; reads of those that the test holds wait.
class FakeObject final : public store::PackedObject {
 public:
  explicit FakeObject(std::uint32_t count, std::uint64_t first_hash = 0) : count_(count), first_hash_(first_hash) {}

  [[nodiscard]] store::ObjectId id() const override { return store::ObjectId{1}; }
  [[nodiscard]] std::uint64_t size() const override { return std::uint64_t{count_} * kChunk; }
  [[nodiscard]] std::uint32_t chunk_count() const override { return count_; }
  [[nodiscard]] std::uint32_t chunk_at(std::uint64_t offset) const override {
    return static_cast<std::uint32_t>(offset / kChunk);
  }
  [[nodiscard]] std::uint64_t chunk_offset(std::uint32_t chunk) const override { return std::uint64_t{chunk} * kChunk; }
  [[nodiscard]] std::uint32_t chunk_bytes(std::uint32_t /*chunk*/) const override { return kChunk; }
  [[nodiscard]] store::ChunkHash chunk_hash(std::uint32_t chunk) const override {
    return {.high = 0, .low = first_hash_ + chunk};
  }
  base::Result<void> read_chunk(std::uint32_t chunk, std::span<std::byte> out) override {
    base::MutexLock lock(mutex_);
    ++reads_;
    changed_.notify_all();
    while (held_.contains(chunk)) changed_.wait(lock);
    if (bad_.contains(chunk)) return base::fail(base::ErrorKind::corrupt, EIO, "bad");
    std::ranges::fill(out, static_cast<std::byte>(chunk));
    return {};
  }
  void hold(std::uint32_t chunk) {
    const base::MutexLock lock(mutex_);
    held_.insert(chunk);
  }
  void let_go() {
    const base::MutexLock lock(mutex_);
    held_.clear();
    changed_.notify_all();
  }
  void spoil(std::uint32_t chunk) {
    const base::MutexLock lock(mutex_);
    bad_.insert(chunk);
  }
  /// Waits until so many reads have begun.
  void await_reads(std::uint64_t count) {
    base::MutexLock lock(mutex_);
    while (reads_ < count) changed_.wait(lock);
  }
  std::uint64_t reads() {
    const base::MutexLock lock(mutex_);
    return reads_;
  }

 private:
  const std::uint32_t count_;
  const std::uint64_t first_hash_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::uint64_t reads_ AC_GUARDED_BY(mutex_) = 0;
  std::set<std::uint32_t> held_ AC_GUARDED_BY(mutex_);
  std::set<std::uint32_t> bad_ AC_GUARDED_BY(mutex_);
};

class ChunkCacheTest : public ::testing::Test {
 protected:
  ChunkCacheTest() { cache_.set_capacity(4 * kChunk); }
  ~ChunkCacheTest() override {
    object_->let_go();
    cache_.stop();
    cache_.check_invariants();
  }
  std::byte first_of(std::uint32_t chunk) {
    const auto got = cache_.get(file_, chunk);
    return got ? (*got)->span()[0] : std::byte{0xFF};
  }

  base::SystemClock clock_;
  ChunkCache cache_{clock_};
  std::shared_ptr<FakeObject> object_ = std::make_shared<FakeObject>(100);
  std::shared_ptr<Tier> tier_ = std::make_shared<Tier>(0, config::TierConfig{}, nullptr);
  PackedFile file_{.tier = tier_, .object = object_};
};

TEST_F(ChunkCacheTest, AChunkIsDecodedOnceAndKept) {
  EXPECT_EQ(first_of(7), std::byte{7});
  EXPECT_EQ(first_of(7), std::byte{7});
  EXPECT_EQ(object_->reads(), 1U);
  EXPECT_EQ(cache_.used_bytes(), kChunk);
  EXPECT_EQ(tier_->decoded_bytes.value(), kChunk);
}

TEST_F(ChunkCacheTest, TheSameBytesOfAnotherFileAreThereAlready) {
  first_of(7);
  const auto other = std::make_shared<FakeObject>(3, 6);
  ASSERT_TRUE(test::is_ok(cache_.get({.tier = tier_, .object = other}, 1)));
  EXPECT_EQ(other->reads(), 0U);
}

TEST_F(ChunkCacheTest, WhoWaitsForAChunkWaitsForTheOneDecoding) {
  object_->hold(3);
  std::vector<std::thread> readers;
  std::vector<std::byte> got(4);
  for (std::size_t n = 0; n < got.size(); ++n) readers.emplace_back([&, n] { got[n] = first_of(3); });
  object_->await_reads(1);
  EXPECT_EQ(first_of(4), std::byte{4}) << "another chunk does not wait";
  object_->let_go();
  for (auto& reader : readers) reader.join();
  for (const std::byte byte : got) EXPECT_EQ(byte, std::byte{3});
  EXPECT_EQ(object_->reads(), 2U);
}

TEST_F(ChunkCacheTest, ThoseNotUsedForLongestGo) {
  for (const std::uint32_t chunk : {0U, 1U, 2U, 3U, 0U, 4U}) first_of(chunk);
  EXPECT_EQ(cache_.used_bytes(), 4 * kChunk);
  EXPECT_EQ(object_->reads(), 5U);
  first_of(0);
  EXPECT_EQ(object_->reads(), 5U);
  first_of(1);
  EXPECT_EQ(object_->reads(), 6U);
}

TEST_F(ChunkCacheTest, WithoutCapacityNothingIsKept) {
  cache_.set_capacity(0);
  EXPECT_EQ(first_of(1), std::byte{1});
  EXPECT_EQ(cache_.used_bytes(), 0U);
  cache_.start();
  cache_.decode_ahead(file_, 1);
  EXPECT_EQ(cache_.used_bytes(), 0U);
}

TEST_F(ChunkCacheTest, AFailureIsToldToAllWhoWaitAndNotKept) {
  object_->spoil(5);
  EXPECT_TRUE(test::has_kind(cache_.get(file_, 5), base::ErrorKind::corrupt));
  EXPECT_TRUE(test::has_kind(cache_.get(file_, 5), base::ErrorKind::corrupt));
  EXPECT_EQ(object_->reads(), 2U);
  EXPECT_EQ(cache_.used_bytes(), 0U);
}

TEST_F(ChunkCacheTest, WhatIsAheadIsDecodedByOthersWithinTheCapacity) {
  cache_.start();
  cache_.decode_ahead(file_, 10);
  object_->await_reads(4);
  EXPECT_EQ(first_of(11), std::byte{11});
  EXPECT_EQ(first_of(14), std::byte{14});
  EXPECT_EQ(object_->reads(), 4U);
  EXPECT_EQ(cache_.used_bytes(), 4 * kChunk);
  cache_.decode_ahead(file_, 98);
  EXPECT_EQ(first_of(99), std::byte{99});
}

TEST_F(ChunkCacheTest, WhoNeedsAChunkThatOnlyWaitsForAThreadDecodesIt) {
  cache_.set_capacity(64 * kChunk);
  cache_.start();
  for (std::uint32_t chunk = 1; chunk <= 16; ++chunk) object_->hold(chunk);
  cache_.decode_ahead(file_, 0);  // as many as there are threads, at most sixteen, are stuck at the first ones
  EXPECT_EQ(first_of(40), std::byte{40});
}

TEST_F(ChunkCacheTest, WhatAReaderHasPassedGoesIfTheFileCannotBeKept) {
  for (std::uint32_t chunk = 0; chunk < 4; ++chunk) first_of(chunk);
  cache_.let_go_before(file_, 2 * kChunk + 500);
  EXPECT_EQ(cache_.used_bytes(), 2 * kChunk) << "the chunk that it is in stays";
  EXPECT_EQ(first_of(2), std::byte{2});
  EXPECT_EQ(object_->reads(), 4U);
  EXPECT_EQ(first_of(1), std::byte{1});
  EXPECT_EQ(object_->reads(), 5U);
  cache_.let_go_before(file_, 0);
  EXPECT_EQ(cache_.used_bytes(), 3 * kChunk);
}

TEST_F(ChunkCacheTest, WhatSomebodyStillDecodesIsNotLetGo) {
  object_->hold(0);
  std::thread reader([&] { EXPECT_EQ(first_of(0), std::byte{0}); });
  object_->await_reads(1);
  cache_.let_go_before(file_, 2 * kChunk);
  EXPECT_EQ(cache_.used_bytes(), kChunk);
  object_->let_go();
  reader.join();
}

TEST_F(ChunkCacheTest, AFileThatCanBeKeptIsKeptWhenItWasRead) {
  const PackedFile small{.tier = tier_, .object = std::make_shared<FakeObject>(2)};
  for (const std::uint32_t chunk : {0U, 1U}) ASSERT_TRUE(test::is_ok(cache_.get(small, chunk)));
  cache_.let_go_before(small, kChunk);
  EXPECT_EQ(cache_.used_bytes(), 2 * kChunk);
}

TEST_F(ChunkCacheTest, AReadMayBeginAndEndInAnyChunk) {
  std::vector<std::byte> out(2 * kChunk);
  ASSERT_TRUE(test::is_ok(cache_.read(file_, out, 2 * kChunk + 500)));
  EXPECT_EQ(out[499], std::byte{2});
  EXPECT_EQ(out[500], std::byte{3});
  EXPECT_EQ(out[1500], std::byte{4});
}

TEST_F(ChunkCacheTest, StoppedItStillDecodesForWhoAsks) {
  cache_.start();
  cache_.stop();
  cache_.decode_ahead(file_, 1);
  EXPECT_EQ(first_of(2), std::byte{2});
}

TEST_F(ChunkCacheTest, NoMoreIsDecodedAheadThanIsAskedFor) {
  cache_.set_capacity(64 * kChunk);
  cache_.start();
  cache_.decode_ahead(file_, 10, 2);
  EXPECT_EQ(cache_.used_bytes(), 2 * kChunk);
  cache_.decode_ahead(file_, 97, 5);
  EXPECT_EQ(cache_.used_bytes(), 4 * kChunk) << "the file ends there";
  object_->await_reads(4);
}

TEST(ChunkSequence, ARunIsCountedAlsoAmongOthers) {
  ChunkSequence sequence;
  EXPECT_EQ(sequence.note(0), 1U);
  EXPECT_EQ(sequence.note(50), 1U);
  EXPECT_EQ(sequence.note(1), 2U);
  EXPECT_EQ(sequence.note(1), 2U);
  EXPECT_EQ(sequence.note(51), 2U);
  EXPECT_EQ(sequence.note(7), 1U);
  EXPECT_EQ(sequence.note(2), 3U);
  EXPECT_EQ(sequence.note(90), 1U);
  EXPECT_EQ(sequence.note(30), 1U) << "one place too many: the oldest, at 51, is forgotten";
  EXPECT_EQ(sequence.note(52), 1U);
}

}  // namespace
}  // namespace arenacache::cache
