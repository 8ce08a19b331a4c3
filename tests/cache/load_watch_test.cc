// SPDX-License-Identifier: Apache-2.0
#include "load_watch.h"

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_page_cache.h"

namespace arenacache::cache {
namespace {

constexpr int kFd = 7;
constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kSegment = LoadWatch::kSegmentBytes;
constexpr std::uint64_t kSize = 10 * kSegment + 12345;

class LoadWatchTest : public ::testing::Test {
 protected:
  LoadWatch::Look look(LoadWatch& watch) {
    const auto found = watch.look(pages_);
    return found.is_load ? watch.begin(budget_) : found;
  }
  void read(std::uint64_t offset, std::uint64_t length) { pages_.put(kFd, {.offset = offset, .length = length}); }
  /// Everything that is due, read; pieces that follow one another are one.
  std::vector<base::Extent> work(LoadWatch& watch) {
    std::vector<base::Extent> done;
    while (const auto extent = watch.work()) {
      EXPECT_LE(extent->length, LoadWatch::kPieceBytes);
      pages_.read_ahead(kFd, *extent);
      if (!done.empty() && done.back().end() == extent->offset) {
        done.back().length += extent->length;
      } else {
        done.push_back(*extent);
      }
    }
    return done;
  }

  test::FakePageCache pages_;
  std::uint64_t budget_ = 100 * kSegment;
};

TEST_F(LoadWatchTest, HeaderIsNoLoad) {
  LoadWatch watch(kFd, kSize, {});
  look(watch);
  read(0, 200 * kKiB);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(look(watch).has_work);
  EXPECT_FALSE(watch.work());
  EXPECT_FALSE(watch.fraction(pages_)) << "nobody loaded it";
}

TEST_F(LoadWatchTest, LongHeaderThatIsKnownIsNoLoad) {
  LoadWatch watch(kFd, kSize, {.header_bytes = 8 << 20});
  look(watch);
  read(0, 8 << 20);
  EXPECT_FALSE(look(watch).has_work);
  read(8 << 20, 300 * kKiB);
  EXPECT_TRUE(look(watch).has_work);
}

TEST_F(LoadWatchTest, LooksSeldomerTheLongerNothingComes) {
  LoadWatch watch(kFd, kSize, {});
  auto last = look(watch).again_after;
  EXPECT_LE(last, std::chrono::milliseconds(2));
  for (int i = 0; i < 100; ++i) {
    const auto next = look(watch).again_after;
    EXPECT_GE(next, last);
    last = next;
  }
  EXPECT_EQ(last, std::chrono::milliseconds(100));
  watch.opened_again();
  EXPECT_LE(look(watch).again_after, std::chrono::milliseconds(2));
}

TEST_F(LoadWatchTest, LoadHasTheWholeFileReadAheadInOrderButForTheWires) {
  LoadWatch watch(kFd, kSize, {});
  look(watch);
  read(0, 300 * kKiB);
  EXPECT_TRUE(look(watch).has_work);
  const auto extents = work(watch);
  ASSERT_EQ(extents.size(), 11U);
  for (std::size_t i = 0; i < extents.size(); ++i) EXPECT_EQ(extents[i].offset, i * kSegment);
  EXPECT_EQ(extents[0].length, kSegment - LoadWatch::kWireBytes);
  EXPECT_LE(extents.back().end(), kSize);
  EXPECT_EQ(watch.ahead_bytes(), 10 * (kSegment - LoadWatch::kWireBytes) + extents.back().length);
}

TEST_F(LoadWatchTest, FractionIsWhatTheReaderReachedNotWhatWasReadAhead) {
  LoadWatch watch(kFd, kSize, {});
  look(watch);
  read(0, 300 * kKiB);
  look(watch);
  work(watch);
  ASSERT_TRUE(watch.fraction(pages_));
  EXPECT_DOUBLE_EQ(*watch.fraction(pages_), 0);
  read(0, 3 * kSegment);
  EXPECT_DOUBLE_EQ(*watch.fraction(pages_), 3.0 / 11);
  read(0, kSize);
  EXPECT_DOUBLE_EQ(*watch.fraction(pages_), 1);
}

TEST_F(LoadWatchTest, FileInMemoryIsLeftAloneUntilItIsNot) {
  read(0, kSize);
  LoadWatch watch(kFd, kSize, {});
  EXPECT_GE(look(watch).again_after, std::chrono::seconds(1));
  EXPECT_FALSE(look(watch).has_work);
  pages_.drop_all();
  EXPECT_FALSE(look(watch).has_work);
  read(0, 300 * kKiB);
  EXPECT_TRUE(look(watch).has_work);
}

TEST_F(LoadWatchTest, FollowsWhereThereIsNoMemoryForAllOfIt) {
  budget_ = kSize / 2;
  LoadWatch watch(kFd, kSize, {});
  look(watch);
  read(0, 300 * kKiB);
  look(watch);
  EXPECT_TRUE(look(watch).has_work);
  auto extents = work(watch);
  ASSERT_EQ(extents.size(), LoadWatch::kLeadSegments + 1);
  EXPECT_EQ(extents[0].offset, 0U);
  EXPECT_FALSE(look(watch).has_work) << "the reader has not come further";
  read(0, kSegment);
  EXPECT_TRUE(look(watch).has_work);
  extents = work(watch);
  ASSERT_EQ(extents.size(), 1U);
  EXPECT_EQ(extents[0].offset, (LoadWatch::kLeadSegments + 1) * kSegment) << "one more, in the end";
}

TEST_F(LoadWatchTest, FollowsAReaderThatJumpsWherePastLoadsReadLittle) {
  LoadWatch watch(kFd, kSize, {.fraction = 0.2});
  look(watch);
  read(7 * kSegment, 400 * kKiB);
  look(watch);
  EXPECT_TRUE(look(watch).has_work);
  const auto extents = work(watch);
  ASSERT_EQ(extents.size(), 4U) << "to the end, and nothing before";
  EXPECT_EQ(extents[0].offset, 7 * kSegment);
  EXPECT_DOUBLE_EQ(*watch.fraction(pages_), 0) << "no segment was read to its end";
}

TEST_F(LoadWatchTest, StopsWhereTheMemoryIsUsedUp) {
  LoadWatch watch(kFd, kSize, {});
  look(watch);
  read(0, 300 * kKiB);
  look(watch);
  EXPECT_TRUE(watch.work());
  watch.stop_reading();
  EXPECT_FALSE(watch.work());
  EXPECT_FALSE(look(watch).has_work);
}

}  // namespace
}  // namespace arenacache::cache
