// SPDX-License-Identifier: Apache-2.0
// Listings and nodes kept in step, over a real engine, so that what one life listed is there in the next.
#include "listing_access.h"

#include <dirent.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/executor.h"
#include "arenacache/handover/area.h"
#include "support/fake_origin.h"
#include "support/fake_page_cache.h"
#include "support/lender.h"
#include "support/matchers.h"
#include "support/simulated_clock.h"
#include "support/temp_dir.h"

namespace arenacache::vfs {
namespace {

std::shared_ptr<handover::Area> fresh_area() {
  auto file = handover::Area::create();
  AC_CHECK(file.has_value());
  auto area = handover::Area::open(std::move(*file));
  AC_CHECK(area.has_value());
  return std::move(*area);
}

constexpr auto kTtl = std::chrono::seconds(60);

origin::Attributes attributes_of(std::uint64_t inode, mode_t mode) {
  origin::Attributes attributes{};
  attributes.st_dev = 1;
  attributes.st_ino = inode;
  attributes.st_mode = mode;
  attributes.st_nlink = 1;
  attributes.st_size = 1000;
  return attributes;
}

class ListingAccessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.store.path = store_.path("store");
    config_.store.keep_free = {.bytes = 0, .percent = 0};
    config_.store.capacity = {.bytes = 1ULL << 30U, .percent = 0};
    config_.cache.metadata_ttl = kTtl;
    config_.mounts = {{.name = "models",
                       .source = "/models",
                       .mountpoint = "/models",
                       .cache = config_.cache,
                       .fill = config_.fill,
                       .origin = config_.origin}};
    begin_life();
  }
  void TearDown() override {
    end_life();
    pool_.stop();
  }

  void begin_life() {
    guard_ = std::make_shared<origin::GuardedOrigin>(lender_.lend(origin_), clock_, origin::GuardLimits{});
    engine_ = test::must(
        cache::Engine::create(config_, {.clock = clock_, .io = io_, .background = pool_, .page_cache = page_cache_}));
    const auto source = engine_->add_source(config_.mounts[0], guard_);
    engine_->start();
    fs_ = std::make_shared<Filesystem>(
        MirrorOptions{.source = source, .mount = config_.mounts[0], .fuse = {}, .keeper = {}}, fresh_area(), *engine_,
        clock_);
  }
  void end_life() {
    fs_->stop();
    guard_->stop();
    fs_.reset();
    engine_->stop();
    engine_.reset();
    guard_.reset();
    lender_.await_all();
  }

  /// The folder "folder" with a file "a", as a find leaves them: the file's node is forgotten.
  NodeId list_folder() {
    const auto folder = fs_->nodes().entry_seen({kRootNode, "folder"}, attributes_of(2, S_IFDIR | 0755),
                                                fs_->nodes().stamp(), clock_.now());
    list(folder->id, "folder");
    return folder->id;
  }
  FolderListingPtr list(NodeId folder, const std::string& path) {
    std::vector<origin::DirectoryEntry> entries{{.name = "a", .inode = 5, .type = DT_REG},
                                                {.name = "inside", .inode = 6, .type = DT_DIR}};
    auto listing = std::make_shared<FolderListing>(std::make_shared<const DirectorySnapshot>(entries, 2, 1),
                                                   clock_.now(), fs_->nodes().stamp());
    listing->set_attributes(*listing->snapshot()->find("a"), attributes_of(5, S_IFREG | 0644), clock_.now(),
                            fs_->nodes().stamp());
    keep_listing(*fs_, folder, path, listing);
    return listing;
  }
  /// Whether "a" of the folder can be answered from memory.
  bool knows_a(NodeId folder) {
    const auto entry = listed_entry(*fs_, {folder, "a"}, fs_->fresh_since());
    if (entry) fs_->nodes().forget(entry->id, 1);
    return entry.has_value();
  }

  test::SimulatedClock clock_;
  test::TempDir store_;
  base::PosixFileIo io_;
  base::ThreadPool pool_{"background", 2};
  test::FakePageCache page_cache_;
  config::Config config_;
  std::shared_ptr<test::FakeOrigin> origin_ = std::make_shared<test::FakeOrigin>(clock_);
  test::Lender lender_;
  std::shared_ptr<origin::GuardedOrigin> guard_;
  std::unique_ptr<cache::Engine> engine_;
  FilesystemPtr fs_;
};

TEST_F(ListingAccessTest, AListedNameIsKnownWhileItIsFresh) {
  const NodeId folder = list_folder();
  EXPECT_TRUE(knows_a(folder));
  EXPECT_FALSE(listed_entry(*fs_, {folder, "inside"}, fs_->fresh_since())) << "nothing was said of it";
  EXPECT_FALSE(listed_entry(*fs_, {folder, "missing"}, fs_->fresh_since()));
  clock_.advance(kTtl);
  EXPECT_FALSE(knows_a(folder));
  EXPECT_TRUE(is_listed(*fs_, {folder, "a"})) << "for want of an answer";
}

TEST_F(ListingAccessTest, ChangesOfNamesDropTheListing) {
  for (int change = 0; change < 4; ++change) {
    const NodeId folder = list_folder();
    ASSERT_TRUE(knows_a(folder));
    if (change == 0) note_name_added(*fs_, {folder, "z"});
    if (change == 1) note_name_removed(*fs_, {folder, "a"});
    if (change == 2) note_name_moved(*fs_, {kRootNode, "x"}, {folder, "y"});
    if (change == 3) note_names_exchanged(*fs_, {folder, "a"}, {kRootNode, "y"});
    EXPECT_EQ(listing_of(*fs_, folder), nullptr) << change;
  }
}

TEST_F(ListingAccessTest, AMovedFolderTakesItsListingsAway) {
  const NodeId folder = list_folder();
  note_name_moved(*fs_, {kRootNode, "folder"}, {kRootNode, "moved"});
  EXPECT_EQ(fs_->listings().find("folder"), nullptr);
  EXPECT_EQ(listing_of(*fs_, folder), nullptr);
}

TEST_F(ListingAccessTest, AListingThatWasAskedForBeforeAChangeIsNotKept) {
  const NodeId folder = list_folder();
  const auto listing = listing_of(*fs_, folder);
  fs_->nodes().name_added({folder, "z"});
  keep_listing(*fs_, folder, "folder", listing);
  EXPECT_EQ(listing_of(*fs_, folder), nullptr);
  const auto elsewhere = list(folder, "where it was before a rename");
  EXPECT_EQ(fs_->listings().find("where it was before a rename"), nullptr);
}

TEST_F(ListingAccessTest, AChangedFileIsAskedForAnew) {
  const NodeId folder = list_folder();
  const auto entry = listed_entry(*fs_, {folder, "a"}, fs_->fresh_since());
  ASSERT_TRUE(entry.has_value());
  origin::Attributes after = entry->attributes;
  after.st_size = 2000;
  note_attributes_changed(*fs_, entry->id, nullptr, after);
  fs_->nodes().forget(entry->id, 1);
  EXPECT_NE(listing_of(*fs_, folder), nullptr) << "the names are as they were";
  EXPECT_FALSE(knows_a(folder));
}

TEST_F(ListingAccessTest, DoubtsReachListingsAndNodes) {
  const NodeId folder = list_folder();
  doubt_attributes(*fs_, "folder", "a");
  EXPECT_FALSE(knows_a(folder));
  EXPECT_NE(listing_of(*fs_, folder), nullptr);
  doubt_name(*fs_, "folder", "b", false);
  EXPECT_EQ(listing_of(*fs_, folder), nullptr);
  list_folder();
  const Doubted doubted = doubt_tree(*fs_, "folder");
  EXPECT_EQ(doubted.listings, 1U);
  EXPECT_EQ(doubted.nodes, 1U);
  EXPECT_EQ(fs_->nodes().state(folder)->validated, base::TimePoint::min());
  list_folder();
  doubt_all(*fs_);
  EXPECT_FALSE(knows_a(folder));
  EXPECT_TRUE(is_listed(*fs_, {folder, "a"}));
}

TEST_F(ListingAccessTest, TheNextLifeKnowsWhatWasListedAndHowOldItIs) {
  list_folder();
  clock_.advance(kTtl / 2);
  end_life();
  begin_life();
  const auto folder = fs_->nodes().entry_seen({kRootNode, "folder"}, attributes_of(2, S_IFDIR | 0755),
                                              fs_->nodes().stamp(), clock_.now());
  EXPECT_TRUE(knows_a(folder->id));
  clock_.advance(kTtl / 2);
  EXPECT_FALSE(knows_a(folder->id));
  EXPECT_TRUE(is_listed(*fs_, {folder->id, "a"}));
}

TEST_F(ListingAccessTest, TheNextLifeDoesNotKnowWhatWasChanged) {
  const NodeId folder = list_folder();
  note_name_added(*fs_, {folder, "z"});
  end_life();
  begin_life();
  EXPECT_EQ(fs_->listings().find("folder"), nullptr);
}

}  // namespace
}  // namespace arenacache::vfs
