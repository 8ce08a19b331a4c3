// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/folder_listing.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace arenacache::vfs {
namespace {

constexpr base::TimePoint kNow{std::chrono::hours(10)};
constexpr base::TimePoint kEarlier{std::chrono::hours(9)};
constexpr std::uint64_t kOwner = 42;

origin::Attributes file(std::uint64_t inode, mode_t mode = S_IFREG | 0644) {
  origin::Attributes attributes{};
  attributes.st_dev = 7;
  attributes.st_ino = inode;
  attributes.st_mode = mode;
  attributes.st_nlink = 2;
  attributes.st_uid = 1000;
  attributes.st_gid = 1001;
  attributes.st_rdev = 0x801;
  attributes.st_size = 123'456'789'012;
  attributes.st_blksize = 4096;
  attributes.st_blocks = 17;
  attributes.st_atim = {.tv_sec = -5, .tv_nsec = 999'999'999};
  attributes.st_mtim = {.tv_sec = 1'700'000'000, .tv_nsec = 1};
  attributes.st_ctim = {.tv_sec = 1'700'000'001, .tv_nsec = 2};
  return attributes;
}

void expect_same(const origin::Attributes& got, const origin::Attributes& want) {
  EXPECT_EQ(got.st_dev, want.st_dev);
  EXPECT_EQ(got.st_ino, want.st_ino);
  EXPECT_EQ(got.st_mode, want.st_mode);
  EXPECT_EQ(got.st_nlink, want.st_nlink);
  EXPECT_EQ(got.st_uid, want.st_uid);
  EXPECT_EQ(got.st_gid, want.st_gid);
  EXPECT_EQ(got.st_rdev, want.st_rdev);
  EXPECT_EQ(got.st_size, want.st_size);
  EXPECT_EQ(got.st_blksize, want.st_blksize);
  EXPECT_EQ(got.st_blocks, want.st_blocks);
  EXPECT_EQ(got.st_atim.tv_sec, want.st_atim.tv_sec);
  EXPECT_EQ(got.st_atim.tv_nsec, want.st_atim.tv_nsec);
  EXPECT_EQ(got.st_mtim.tv_sec, want.st_mtim.tv_sec);
  EXPECT_EQ(got.st_ctim.tv_nsec, want.st_ctim.tv_nsec);
}

FolderListingPtr listing_of(std::vector<std::string> names, base::TimePoint validated = kNow) {
  std::vector<origin::DirectoryEntry> entries;
  for (std::size_t i = 0; i < names.size(); ++i) entries.push_back({.name = names[i], .inode = i + 10, .type = DT_REG});
  return std::make_shared<FolderListing>(std::make_shared<const DirectorySnapshot>(entries, 1, 2), validated,
                                         ChangeStamp{5});
}

std::size_t at(const FolderListing& listing, std::string_view name) {
  const auto index = listing.snapshot()->find(name);
  EXPECT_TRUE(index.has_value()) << name;
  return index.value_or(0);
}

TEST(FolderListing, EveryNameIsFoundAndNoOther) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("model-" + std::to_string(i));
  const auto listing = listing_of(names);
  for (const std::string& name : names) EXPECT_EQ(listing->snapshot()->entry(at(*listing, name)).name, name);
  for (const char* other : {"model-1000", "model", "", ".", ".."})
    EXPECT_FALSE(listing->snapshot()->find(other)) << other;
}

TEST(FolderListing, AttributesComeBackAsTheyWere) {
  const auto listing = listing_of({"a", "b"});
  EXPECT_FALSE(listing->attributes(at(*listing, "a")).has_value());
  listing->set_attributes(at(*listing, "a"), file(10), kNow, ChangeStamp{5});
  const auto got = listing->attributes(at(*listing, "a"));
  ASSERT_TRUE(got.has_value());
  expect_same(*got, file(10));
  EXPECT_FALSE(listing->attributes(at(*listing, "b")).has_value());
}

TEST(FolderListing, ItIsAsOldAsItsOldestAttributes) {
  const auto listing = listing_of({"a", "b"});
  listing->set_attributes(at(*listing, "a"), file(10), kEarlier, ChangeStamp{5});
  listing->set_attributes(at(*listing, "b"), file(11), kNow, ChangeStamp{5});
  EXPECT_EQ(listing->validated(), kEarlier);
  listing->distrust();
  EXPECT_EQ(listing->validated(), base::TimePoint::min());
}

TEST(FolderListing, WhatWasSaidBeforeAChangeIsNotTaken) {
  const auto listing = listing_of({"a"});
  const std::size_t index = at(*listing, "a");
  listing->set_attributes(index, file(10), kNow, ChangeStamp{5});
  const std::uint64_t changes = listing->changes();
  listing->forget_attributes("a", ChangeStamp{8});
  EXPECT_GT(listing->changes(), changes);
  EXPECT_FALSE(listing->attributes(index).has_value());
  listing->set_attributes(index, file(10), kNow, ChangeStamp{7});
  EXPECT_FALSE(listing->attributes(index).has_value()) << "asked before the change";
  listing->set_attributes(index, file(11), kNow, ChangeStamp{8});
  EXPECT_TRUE(listing->attributes(index).has_value());
  listing->forget_attributes("unknown", ChangeStamp{9});
}

TEST(FolderListing, BytesGiveTheSameListing) {
  const auto listing = listing_of({"a", "b", std::string(255, 'x'), "\xff\xfe"});
  listing->set_attributes(at(*listing, "a"), file(10), kNow, ChangeStamp{5});
  listing->set_attributes(at(*listing, "b"), file(11, S_IFDIR | 0755), kNow, ChangeStamp{5});
  SourceFacts facts{.top = file(1, S_IFDIR | 0700)};
  facts.space.f_bavail = 77;
  listing->set_source(facts, kNow);
  const auto back = FolderListing::decoded(listing->encoded(kOwner), kOwner, kEarlier);
  ASSERT_NE(back, nullptr);
  EXPECT_NE(back->id(), listing->id());
  EXPECT_EQ(back->validated(), kEarlier);
  EXPECT_EQ(back->encoded(kOwner), listing->encoded(kOwner));
  expect_same(back->attributes(at(*back, "b")).value(), file(11, S_IFDIR | 0755));
  EXPECT_FALSE(back->attributes(at(*back, "\xff\xfe")).has_value());
  EXPECT_EQ(back->source().value().space.f_bavail, 77U);
  back->set_attributes(at(*back, "\xff\xfe"), file(12, S_IFLNK | 0777), kNow, ChangeStamp{1});
  expect_same(back->attributes(at(*back, "a")).value(), file(10));
  expect_same(back->attributes(at(*back, "\xff\xfe")).value(), file(12, S_IFLNK | 0777));
}

TEST(FolderListing, OtherBytesGiveNone) {
  const auto listing = listing_of({"a", "b"});
  listing->set_attributes(at(*listing, "a"), file(10), kNow, ChangeStamp{5});
  const std::string bytes = listing->encoded(kOwner);
  EXPECT_EQ(FolderListing::decoded(bytes, kOwner + 1, kNow), nullptr) << "another source's";
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(FolderListing::decoded(std::string_view(bytes).substr(0, length), kOwner, kNow), nullptr) << length;
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    EXPECT_EQ(FolderListing::decoded(damaged, kOwner, kNow), nullptr) << i;
  }
}

TEST(FolderListing, AFileOfTerabytesIsAskedForEachTime) {
  const auto listing = listing_of({"a"});
  origin::Attributes huge = file(10);
  huge.st_blocks = std::int64_t{1} << 33U;
  listing->set_attributes(at(*listing, "a"), huge, kNow, ChangeStamp{5});
  EXPECT_FALSE(listing->attributes(at(*listing, "a")).has_value());
}

TEST(FolderListing, ThatANameHasNoAclHoldsForItsChangeTime) {
  const auto listing = listing_of({"a", "b"});
  const std::size_t a = at(*listing, "a");
  const origin::Attributes before = file(10);
  origin::Attributes after = before;
  after.st_ctim.tv_nsec += 1;
  listing->set_has_no_acl(a, before, true);
  EXPECT_FALSE(listing->has_no_acl(a, before)) << "nothing is known of it";
  listing->set_attributes(a, before, kNow, ChangeStamp{5});
  listing->set_has_no_acl(a, after, true);
  EXPECT_FALSE(listing->has_no_acl(a, before));
  listing->set_has_no_acl(a, before, true);
  EXPECT_TRUE(listing->has_no_acl(a, before));
  EXPECT_FALSE(listing->has_no_acl(a, after));
  listing->set_attributes(a, before, kNow, ChangeStamp{6});
  EXPECT_TRUE(listing->has_no_acl(a, before)) << "nothing has changed";
  const auto back = FolderListing::decoded(listing->encoded(kOwner), kOwner, kNow);
  ASSERT_NE(back, nullptr);
  EXPECT_TRUE(back->has_no_acl(a, before));
  listing->set_attributes(a, after, kNow, ChangeStamp{6});
  EXPECT_FALSE(listing->has_no_acl(a, after));
  listing->set_has_no_acl(a, after, true);
  listing->forget_attributes("a", ChangeStamp{7});
  EXPECT_FALSE(listing->has_no_acl(a, after));
}

TEST(FolderListing, ANewListingTakesOverWhatHasNoAcl) {
  const auto older = listing_of({"a", "b", "gone"});
  for (const char* name : {"a", "b", "gone"}) {
    older->set_attributes(at(*older, name), file(10), kNow, ChangeStamp{5});
    older->set_has_no_acl(at(*older, name), file(10), true);
  }
  const auto listing = listing_of({"new", "a", "b"});
  listing->take_acls_of(*older);
  const std::size_t a = at(*listing, "a");
  EXPECT_FALSE(listing->attributes(a).has_value()) << "nothing else is known";
  EXPECT_TRUE(FolderListing::decoded(listing->encoded(kOwner), kOwner, kNow) != nullptr);
  listing->set_attributes(a, file(10), kNow, ChangeStamp{5});
  EXPECT_TRUE(listing->has_no_acl(a, file(10)));
  origin::Attributes changed = file(10);
  changed.st_ctim.tv_sec += 1;
  listing->set_attributes(at(*listing, "b"), changed, kNow, ChangeStamp{5});
  EXPECT_FALSE(listing->has_no_acl(at(*listing, "b"), changed));
  listing->set_attributes(at(*listing, "new"), file(11), kNow, ChangeStamp{5});
  EXPECT_FALSE(listing->has_no_acl(at(*listing, "new"), file(11)));
}

}  // namespace
}  // namespace arenacache::vfs
