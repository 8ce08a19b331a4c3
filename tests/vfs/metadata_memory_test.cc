// SPDX-License-Identifier: Apache-2.0
// What a name costs in memory, at a million of them: its node, its link, its place in a listing, and what is known of it.
#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/text.h"
#include "arenacache/vfs/directory_cache.h"
#include "arenacache/vfs/node_table.h"

namespace arenacache::vfs {
namespace {

constexpr std::size_t kFolders = 1000;
constexpr std::size_t kFilesInEach = 1000;
constexpr std::size_t kNames = kFolders * kFilesInEach;
constexpr std::size_t kBudget = std::size_t{256} << 20U;

std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  in >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

class NoShelf final : public ListingShelf {
 public:
  void put(cache::KnownListing /*listing*/) override {}
  void remove(const std::string& /*path*/, bool /*below*/) override {}
};

origin::Attributes attributes_of(std::uint64_t inode, mode_t type) {
  origin::Attributes attributes{};
  attributes.st_dev = 7;
  attributes.st_ino = inode;
  attributes.st_mode = type | 0644U;
  attributes.st_nlink = 1;
  attributes.st_size = static_cast<off_t>(inode * 1000);
  attributes.st_blocks = static_cast<blkcnt_t>(inode * 2);
  attributes.st_mtim = {.tv_sec = static_cast<time_t>(inode), .tv_nsec = 1};
  return attributes;
}

/// One folder of files, as a find over the mount leaves it.
void add_folder(NodeTable& nodes, DirectoryCache& cache, std::size_t number, base::TimePoint now) {
  const std::string name = base::text("folder-", number);
  const std::uint64_t first = (number + 1) * (kFilesInEach + 1);
  const auto folder = nodes.entry_seen({kRootNode, name}, attributes_of(first, S_IFDIR), nodes.stamp(), now);
  ASSERT_TRUE(folder.has_value());
  std::vector<origin::DirectoryEntry> entries;
  for (std::size_t i = 1; i <= kFilesInEach; ++i) {
    entries.push_back({.name = base::text("some-model-", i, "-fp16.safetensors"), .inode = first + i, .type = DT_REG});
  }
  auto snapshot = std::make_shared<const DirectorySnapshot>(entries, first, 1);
  auto listing = std::make_shared<FolderListing>(snapshot, now, nodes.stamp());
  cache.put(name, listing);
  for (std::size_t i = 2; i < snapshot->size(); ++i) {
    const SnapshotEntry entry = snapshot->entry(i);
    const auto attributes = attributes_of(entry.inode, S_IFREG);
    ASSERT_TRUE(nodes.entry_seen({folder->id, entry.name}, attributes, nodes.stamp(), now));
    listing->set_attributes(i, attributes, now, nodes.stamp());
  }
}

TEST(MetadataMemory, AMillionNamesTakeLessThan400BytesEach) {
  if (ARENACACHE_IS_SANITIZED) GTEST_SKIP() << "sanitizers take memory of their own";
  origin::Fidelity fidelity;
  fidelity.stable_inodes = true;
  fidelity.has_ctime = true;
  base::SystemClock clock;
  NoShelf shelf;
  const base::TimePoint now = clock.now();
  const std::size_t before = resident_bytes();
  NodeTable nodes(fidelity);
  DirectoryCache cache({.budget_bytes = kBudget, .owner = 1}, shelf, clock);
  for (std::size_t number = 0; number < kFolders; ++number) add_folder(nodes, cache, number, now);
  ASSERT_EQ(cache.size(), kFolders) << "all of them are held";
  const std::size_t each = (resident_bytes() - before) / kNames;
  RecordProperty("bytes_a_name", static_cast<int>(each));
  std::printf("%zu bytes a name, %zu of them for listings\n", each, cache.memory_bytes() / kNames);
  EXPECT_LT(each, 400U);
  EXPECT_EQ(nodes.size(), kNames + kFolders + 1);
}

}  // namespace
}  // namespace arenacache::vfs
