// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/handle_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <memory>

namespace arenacache::vfs {
namespace {

std::shared_ptr<FileHandle> handle_of(NodeId node, int access = O_RDONLY) {
  auto handle = std::make_shared<FileHandle>();
  handle->node = node;
  handle->access = access;
  return handle;
}

TEST(HandleTable, FindsWhatWasAddedUntilItIsRemoved) {
  std::uint64_t next = 1;
  HandleTable<FileHandle> table(next);
  const auto handle = handle_of(NodeId{5});
  const HandleId id = table.add(handle);
  EXPECT_EQ(table.find(id), handle);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.remove(id), handle);
  EXPECT_EQ(table.find(id), nullptr);
  EXPECT_EQ(table.remove(id), nullptr);
  EXPECT_EQ(table.size(), 0U);
}

TEST(HandleTable, NumbersAreNeverUsedTwice) {
  std::uint64_t next = 1;
  HandleTable<FileHandle> table(next);
  const HandleId first = table.add(handle_of(NodeId{5}));
  table.remove(first);
  EXPECT_NE(table.add(handle_of(NodeId{5})), first);
}

TEST(HandleTable, FindsAHandleOfANodeThatFits) {
  std::uint64_t next = 1;
  HandleTable<FileHandle> table(next);
  table.add(handle_of(NodeId{5}));
  const auto writer = handle_of(NodeId{5}, O_RDWR);
  const HandleId id = table.add(writer);
  table.add(handle_of(NodeId{6}, O_RDWR));
  const auto writes = [](const FileHandle& handle) { return handle.access == O_RDWR; };
  EXPECT_EQ(table.find_of_node(NodeId{5}, writes), writer);
  table.remove(id);
  EXPECT_EQ(table.find_of_node(NodeId{5}, writes), nullptr);
  EXPECT_EQ(table.find_of_node(NodeId{7}, writes), nullptr);
}

TEST(HandleTable, GivesAllAwayAtOnce) {
  std::uint64_t next = 1;
  HandleTable<FileHandle> table(next);
  table.add(handle_of(NodeId{5}));
  table.add(handle_of(NodeId{5}));
  EXPECT_EQ(table.remove_all().size(), 2U);
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.find_of_node(NodeId{5}, [](const FileHandle&) { return true; }), nullptr);
}

}  // namespace
}  // namespace arenacache::vfs
