// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/link_table.h"

#include <gtest/gtest.h>

#include <string>

namespace arenacache::vfs {
namespace {

TEST(LinkTable, FindsEachNameInItsFolder) {
  LinkTable table;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const Link* link = table.insert({NodeId{i % 7}, std::to_string(i)}, NodeId{i});
    EXPECT_EQ(link->name(), std::to_string(i));
  }
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const Link* link = table.find({NodeId{i % 7}, std::to_string(i)});
    ASSERT_NE(link, nullptr);
    EXPECT_EQ(link->node, NodeId{i});
    EXPECT_EQ(table.find({NodeId{i % 7 + 7}, std::to_string(i)}), nullptr);
  }
}

TEST(LinkTable, WhatIsErasedIsGoneAndTheOthersStay) {
  LinkTable table;
  EXPECT_EQ(table.find({NodeId{1}, "a"}), nullptr);
  const Link* kept = table.insert({NodeId{1}, "kept"}, NodeId{2});
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 1000; ++i) table.insert({NodeId{1}, std::to_string(i)}, NodeId{3});
    for (int i = 0; i < 1000; ++i) table.erase(*table.find({NodeId{1}, std::to_string(i)}));
    EXPECT_EQ(table.size(), 1U);
    EXPECT_EQ(table.find({NodeId{1}, "kept"}), kept) << "at its address";
  }
}

TEST(LinkTable, TakesNamesOfAnyBytes) {
  LinkTable table;
  const std::string longest(255, '\xff');
  table.insert({NodeId{1}, longest}, NodeId{2});
  table.insert({NodeId{1}, ""}, NodeId{3});
  EXPECT_EQ(table.find({NodeId{1}, longest})->name(), longest);
  EXPECT_EQ(table.find({NodeId{1}, ""})->node, NodeId{3});
}

}  // namespace
}  // namespace arenacache::vfs
