// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/directory_cache.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/simulated_clock.h"

namespace arenacache::vfs {
namespace {

/// What a life leaves for the next, and what was said to it.
class FakeShelf final : public ListingShelf {
 public:
  void put(cache::KnownListing listing) override {
    cache::KnownListing& here = kept[listing.path];
    if (listing.bytes) ++written;
    if (!listing.bytes) listing.bytes = here.bytes;
    here = std::move(listing);
  }
  void remove(const std::string& path, bool below) override {
    std::erase_if(kept, [&](const auto& one) {
      const std::string& name = one.first;
      return name == path || (below && (path.empty() || name.starts_with(path + "/")));
    });
  }
  [[nodiscard]] std::vector<cache::KnownListing> all() const {
    std::vector<cache::KnownListing> out;
    for (const auto& [path, listing] : kept) out.push_back(listing);
    return out;
  }

  std::map<std::string, cache::KnownListing> kept;
  int written = 0;
};

class DirectoryCacheTest : public ::testing::Test {
 protected:
  FolderListingPtr put(const std::string& path, const std::string& name = "a", DirectoryCache* into = nullptr) {
    std::vector<origin::DirectoryEntry> entries{{.name = name, .inode = 5, .type = DT_REG}};
    auto listing = std::make_shared<FolderListing>(std::make_shared<const DirectorySnapshot>(entries, 1, 2),
                                                   clock_.now(), ChangeStamp{});
    (into != nullptr ? *into : cache_).put(path, listing);
    return listing;
  }
  static void learn(const FolderListingPtr& listing, base::TimePoint now) {
    origin::Attributes attributes{};
    attributes.st_mode = S_IFREG | 0644;
    attributes.st_ino = 5;
    listing->set_attributes(2, attributes, now, ChangeStamp{});
  }
  [[nodiscard]] DirectoryCacheOptions options(std::uint64_t owner = 1) const {
    return {.budget_bytes = budget_, .owner = owner};
  }

  std::size_t budget_ = 100'000;
  test::SimulatedClock clock_;
  FakeShelf shelf_;
  DirectoryCache cache_{options(), shelf_, clock_};
};

TEST_F(DirectoryCacheTest, FindsWhatWasPutLast) {
  EXPECT_EQ(cache_.find("a"), nullptr);
  put("a");
  const auto second = put("a");
  EXPECT_EQ(cache_.find("a"), second);
  EXPECT_EQ(cache_.size(), 1U);
}

TEST_F(DirectoryCacheTest, ATreeGoesAndItsNeighboursStay) {
  for (const char* path : {"", "a", "a/b", "a/b/c", "a-b", "a0", "b"}) put(path);
  EXPECT_EQ(cache_.drop_tree("a"), 3U);
  for (const char* path : {"", "a-b", "a0", "b"}) EXPECT_NE(cache_.find(path), nullptr) << path;
  cache_.drop("b");
  EXPECT_EQ(cache_.find("b"), nullptr);
  EXPECT_EQ(cache_.drop_tree(""), 3U);
  EXPECT_EQ(cache_.size(), 0U);
  EXPECT_EQ(cache_.memory_bytes(), 0U);
}

TEST_F(DirectoryCacheTest, TellsItsFoldersTheNewestUseFirst) {
  for (const char* path : {"a", "b", "c"}) put(path);
  ASSERT_NE(cache_.find("a"), nullptr);
  EXPECT_EQ(cache_.paths(), (std::vector<std::string>{"a", "c", "b"}));
  cache_.drop("c");
  EXPECT_EQ(cache_.paths(), (std::vector<std::string>{"a", "b"}));
}

TEST_F(DirectoryCacheTest, KeepsItsBudgetAndWhatWasUsedLast) {
  put("used");
  for (int i = 0; i < 1000; ++i) {
    put("folder-" + std::to_string(i));
    EXPECT_NE(cache_.find("used"), nullptr);
    EXPECT_LE(cache_.memory_bytes(), budget_);
  }
  EXPECT_GT(cache_.size(), 50U);
  EXPECT_NE(cache_.find("folder-999"), nullptr);
  EXPECT_EQ(cache_.find("folder-0"), nullptr);
}

TEST_F(DirectoryCacheTest, WhatNoRoomIsForGoesFromTheShelfToo) {
  for (int i = 0; i < 1000; ++i) {
    put("folder-" + std::to_string(i));
    cache_.write(false);
  }
  EXPECT_EQ(shelf_.kept.size(), cache_.size());
}

TEST_F(DirectoryCacheTest, NextLifeKnowsHowOldItIs) {
  learn(put("a"), clock_.now());
  clock_.advance(std::chrono::seconds(3));
  cache_.write(true);
  clock_.advance(std::chrono::seconds(4));
  DirectoryCache next(options(), shelf_, clock_);
  next.restore(shelf_.all());
  const auto listing = next.find("a");
  ASSERT_NE(listing, nullptr);
  EXPECT_EQ(listing->validated(), clock_.now() - std::chrono::seconds(7));
  EXPECT_TRUE(listing->attributes(2).has_value());
}

TEST_F(DirectoryCacheTest, AnAgeThatCannotBeIsOld) {
  put("a");
  put("b");
  put("c");
  cache_.write(true);
  shelf_.kept["a"].validated = clock_.wall_now() + std::chrono::seconds(1);
  shelf_.kept["b"].validated.reset();
  shelf_.kept["c"].validated = clock_.wall_now() - std::chrono::hours(24 * 365);
  DirectoryCache next(options(), shelf_, clock_);
  next.restore(shelf_.all());
  for (const char* path : {"a", "b", "c"}) {
    const auto listing = next.find(path);
    ASSERT_NE(listing, nullptr) << path;
    EXPECT_EQ(listing->validated(), base::TimePoint::min()) << path;
  }
}

TEST_F(DirectoryCacheTest, BytesOfAnotherSourceAreRemoved) {
  put("a");
  cache_.write(true);
  shelf_.kept["b"] = {.path = "b", .validated = clock_.wall_now(), .bytes = std::make_shared<std::string>("nonsense")};
  DirectoryCache next(options(2), shelf_, clock_);
  next.restore(shelf_.all());
  EXPECT_EQ(next.size(), 0U);
  EXPECT_TRUE(shelf_.kept.empty());
}

TEST_F(DirectoryCacheTest, OnlyWhatDiffersIsWritten) {
  put("a");
  cache_.write(false);
  EXPECT_EQ(shelf_.written, 1);
  cache_.write(false);
  put("a");  // listed again, and the same
  cache_.write(false);
  cache_.write(true);
  EXPECT_EQ(shelf_.written, 1);
  EXPECT_EQ(shelf_.kept["a"].validated, clock_.wall_now());
  learn(cache_.find("a"), clock_.now());
  cache_.write(false);
  EXPECT_EQ(shelf_.written, 2);
}

TEST_F(DirectoryCacheTest, WhatIsInDoubtNeverComesBack) {
  put("a");
  cache_.write(true);
  cache_.drop("a");
  EXPECT_TRUE(shelf_.kept.empty());
  put("b");
  cache_.write(true);
  cache_.distrust_all();
  cache_.write(true);
  DirectoryCache next(options(), shelf_, clock_);
  next.restore(shelf_.all());
  EXPECT_EQ(next.find("b")->validated(), base::TimePoint::min());
}

TEST_F(DirectoryCacheTest, KernelKeepsTheListingItHas) {
  const NodeId node{7};
  EXPECT_FALSE(cache_.kernel_opens(node, 1)) << "it has none";
  cache_.kernel_reads(node, 1);
  cache_.kernel_reads(node, 1);
  EXPECT_TRUE(cache_.kernel_opens(node, 1));
  EXPECT_FALSE(cache_.kernel_opens(node, 2)) << "there is a newer one";
  cache_.kernel_reads(node, 2);
  EXPECT_TRUE(cache_.kernel_opens(node, 2));
  EXPECT_FALSE(cache_.kernel_opens(node, 0)) << "there is none any more";
}

TEST_F(DirectoryCacheTest, KernelDropsAMixOfTwoListings) {
  const NodeId node{7};
  EXPECT_FALSE(cache_.kernel_opens(node, 0));
  cache_.kernel_reads(node, 1);
  EXPECT_FALSE(cache_.kernel_opens(node, 2));
  cache_.kernel_reads(node, 1);  // an older handle goes on
  cache_.kernel_reads(node, 2);
  EXPECT_FALSE(cache_.kernel_opens(node, 2));
  EXPECT_FALSE(cache_.kernel_opens(node, 1));
}

}  // namespace
}  // namespace arenacache::vfs
