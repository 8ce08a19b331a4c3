// SPDX-License-Identifier: Apache-2.0
// A NodeTable without an origin: what lookups and checks find is told to it. Its invariants are checked after each lookup.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "arenacache/vfs/node_table.h"

namespace arenacache::vfs::node_table {

inline constexpr std::uint64_t kLarge = kLargestUnretiredFile + 1;
inline constexpr std::uint64_t kSmall = 1000;
inline constexpr base::TimePoint kNow{std::chrono::hours(10)};
inline constexpr base::TimePoint kLater{std::chrono::hours(11)};

inline origin::Attributes file(std::uint64_t inode, std::uint64_t size = kLarge, std::int64_t mtime = 100) {
  origin::Attributes attributes{};
  attributes.st_mode = S_IFREG | 0644;
  attributes.st_dev = 7;
  attributes.st_ino = inode;
  attributes.st_nlink = 1;
  attributes.st_size = static_cast<off_t>(size);
  attributes.st_mtim = {.tv_sec = mtime, .tv_nsec = 123'456'789};
  attributes.st_ctim = attributes.st_mtim;
  return attributes;
}

inline origin::Attributes folder(std::uint64_t inode) {
  origin::Attributes attributes = file(inode, 4096);
  attributes.st_mode = S_IFDIR | 0755;
  return attributes;
}

inline origin::Fidelity fidelity(bool stable_inodes) {
  origin::Fidelity fidelity;
  fidelity.stable_inodes = stable_inodes;
  fidelity.has_ctime = true;
  return fidelity;
}

class NodeTableTest : public ::testing::Test {
 protected:
  explicit NodeTableTest(bool stable_inodes = true) : table_(fidelity(stable_inodes)) {}
  ~NodeTableTest() override { table_.check_invariants(); }

  NodeId look_up(NodeId parent, std::string_view name, const origin::Attributes& attributes) {
    const auto entry = table_.entry_seen({parent, name}, attributes, table_.stamp(), kNow);
    table_.check_invariants();
    EXPECT_TRUE(entry.has_value());
    return entry ? entry->id : kNoNode;
  }
  NodeId look_up(std::string_view name, const origin::Attributes& attributes) {
    return look_up(kRootNode, name, attributes);
  }
  std::string path(NodeId id) {
    const auto found = table_.path(id);
    return found ? found->path : "(none)";
  }
  Seen see(NodeId id, const origin::Attributes& attributes) {
    return table_.attributes_seen(id, attributes, table_.stamp(), kLater);
  }

  NodeTable table_;
};

}  // namespace arenacache::vfs::node_table
