// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/directory_snapshot.h"

#include <dirent.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <ranges>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace arenacache::vfs {
namespace {

std::vector<origin::DirectoryEntry> entries(int first, int count) {
  std::vector<origin::DirectoryEntry> result;
  for (int i = first; i < first + count; ++i) {
    result.push_back({.name = "model-" + std::to_string(i), .inode = static_cast<std::uint64_t>(i), .type = DT_REG});
  }
  return result;
}

/// Reads all of it in steps of `step`, as a program with a small buffer does.
std::vector<std::string> read_in_steps(const DirectorySnapshot& snapshot, std::size_t step) {
  std::vector<std::string> names;
  Cookie at{};
  for (;;) {
    const auto rest = snapshot.after(at);
    if (rest.empty()) return names;
    for (const SnapshotEntry& entry : rest | std::views::take(static_cast<std::ptrdiff_t>(step))) {
      names.emplace_back(entry.name);
      at = entry.cookie;
    }
  }
}

TEST(DirectorySnapshot, BeginsWithTheDots) {
  const DirectorySnapshot snapshot(entries(0, 3), 11, 22);
  const auto all = snapshot.after(Cookie{});
  ASSERT_EQ(all.size(), 5U);
  EXPECT_EQ(all[0].name, ".");
  EXPECT_EQ(all[0].cookie, Cookie{1});
  EXPECT_EQ(all[0].inode, 11U);
  EXPECT_EQ(all[1].name, "..");
  EXPECT_EQ(all[1].cookie, Cookie{2});
  EXPECT_EQ(all[1].inode, 22U);
}

TEST(DirectorySnapshot, CookiesGrowAndArePositive) {
  const DirectorySnapshot snapshot(entries(0, 100'000), 1, 1);
  Cookie last{};
  for (const SnapshotEntry& entry : snapshot.after(Cookie{})) {
    ASSERT_GT(entry.cookie, last);
    last = entry.cookie;
  }
  EXPECT_LT(std::to_underlying(last), static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
}

TEST(DirectorySnapshot, SmallStepsSeeEachNameOnce) {
  const DirectorySnapshot snapshot(entries(0, 1000), 1, 1);
  const auto names = read_in_steps(snapshot, 7);
  EXPECT_EQ(names.size(), 1002U);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 1002U);
}

TEST(DirectorySnapshot, NamesKeepTheirCookiesWhileOthersComeAndGo) {
  const DirectorySnapshot before(entries(0, 1000), 1, 1);
  const DirectorySnapshot after(entries(500, 1000), 1, 1);
  std::map<std::string, Cookie> cookies;
  for (const SnapshotEntry& entry : before.after(Cookie{})) cookies[std::string(entry.name)] = entry.cookie;
  int shared = 0;
  for (const SnapshotEntry& entry : after.after(Cookie{})) {
    const auto found = cookies.find(std::string(entry.name));
    if (found == cookies.end()) continue;
    EXPECT_EQ(found->second, entry.cookie) << entry.name;
    ++shared;
  }
  EXPECT_EQ(shared, 502);
}

TEST(DirectorySnapshot, GoesOnOverAnotherListing) {
  const DirectorySnapshot before(entries(0, 200), 1, 1);
  const auto seen = before.after(Cookie{}) | std::views::take(100);
  const DirectorySnapshot later(entries(0, 200), 1, 1);
  const auto rest = later.after(seen.back().cookie);
  std::set<std::string> names;
  for (const SnapshotEntry& entry : seen) names.insert(std::string(entry.name));
  for (const SnapshotEntry& entry : rest) EXPECT_TRUE(names.insert(std::string(entry.name)).second) << entry.name;
  EXPECT_EQ(names.size(), 202U);
}

TEST(DirectorySnapshot, NamesOfOneHashAreToldApart) {
  // Names that are equal have one hash: what two different names of one hash would do.
  std::vector<origin::DirectoryEntry> same = entries(1, 1);
  same.push_back(same.front());
  same.push_back(same.front());
  const DirectorySnapshot snapshot(same, 1, 1);
  EXPECT_EQ(read_in_steps(snapshot, 1).size(), 5U);
}

TEST(DirectorySnapshot, EndsAfterTheLastCookie) {
  const DirectorySnapshot snapshot(entries(0, 3), 1, 1);
  EXPECT_TRUE(snapshot.after(snapshot.after(Cookie{}).back().cookie).empty());
  EXPECT_TRUE(snapshot.after(Cookie{std::numeric_limits<std::uint64_t>::max()}).empty());
}

}  // namespace
}  // namespace arenacache::vfs
