// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/inode_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace arenacache::vfs {
namespace {

TEST(InodeTable, DoesWhatAMapDoes) {
  InodeTable table;
  std::map<std::uint64_t, NodeId> model;  // by inode
  std::map<NodeId, std::uint64_t> inodes;
  const auto key_of = [&](NodeId id) { return InodeKey{.device = 1, .inode = inodes.at(id)}; };
  std::mt19937_64 random(1);
  for (std::uint64_t i = 1; i < 50'000; ++i) {
    const std::uint64_t inode = random() % 2000;
    const InodeKey key{.device = 1, .inode = inode};
    if (random() % 2 == 0) {
      inodes[NodeId{i}] = inode;
      table.put(key, NodeId{i}, key_of);
      model[inode] = NodeId{i};
    } else if (const auto there = model.find(inode); there != model.end()) {
      table.erase(key, NodeId{i}, key_of);  // another node's: nothing happens
      EXPECT_EQ(table.find(key, key_of), there->second);
      table.erase(key, there->second, key_of);
      model.erase(there);
    }
    const auto there = model.find(inode);
    EXPECT_EQ(table.find(key, key_of), there == model.end() ? kNoNode : there->second);
  }
  std::size_t count = 0;
  table.for_each([&](NodeId id) {
    ++count;
    EXPECT_EQ(model.at(inodes.at(id)), id);
  });
  EXPECT_EQ(count, model.size());
}

}  // namespace
}  // namespace arenacache::vfs
