// SPDX-License-Identifier: Apache-2.0
#include "held_files.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>

namespace arenacache::vfs {
namespace {

HeldFiles::Pointer file_of(std::uint64_t node) {
  return std::make_shared<const HeldFile>(HeldFile{.node = NodeId{node}, .path = {}, .version = {}, .file = {}});
}

TEST(HeldFilesTest, AThreadIsExpectedUntilItOpens) {
  HeldFiles held;
  EXPECT_FALSE(held.counts_look(1));
  held.expect(1);
  EXPECT_TRUE(held.counts_look(1));
  EXPECT_FALSE(held.counts_look(2));
  EXPECT_EQ(held.take(1).file, nullptr) << "it was shown nothing";
  EXPECT_FALSE(held.counts_look(1));
}

TEST(HeldFilesTest, AThreadGetsWhatItWasShownLast) {
  HeldFiles held;
  held.expect(1);
  held.set(1, file_of(5));
  const auto last = file_of(6);
  held.set(1, last);
  EXPECT_EQ(held.take(1).file, last);
  EXPECT_EQ(held.take(1).file, nullptr);
}

TEST(HeldFilesTest, AThreadThatLooksAndNeverOpensIsNotMinded) {
  HeldFiles held;
  held.expect(1);
  int looks = 0;
  for (; held.counts_look(1); ++looks) held.set(1, file_of(5));
  EXPECT_GE(looks, 2) << "one to see that the name has another node, one to find it";
  EXPECT_LE(looks, 8);
}

TEST(HeldFilesTest, AThreadMayAskOnceForTheAttributesOfWhatItWasShown) {
  HeldFiles held;
  EXPECT_FALSE(held.counts_question(1, NodeId{5})) << "it comes for the first time";
  held.expect(1);
  EXPECT_TRUE(held.counts_question(1, NodeId{5})) << "an earlier worker may have shown it";
  EXPECT_FALSE(held.counts_question(1, NodeId{5}));
  held.set(1, file_of(5));
  EXPECT_FALSE(held.counts_question(1, NodeId{6}));
  EXPECT_TRUE(held.counts_question(1, NodeId{5}));
  EXPECT_FALSE(held.counts_question(1, NodeId{5})) << "it looked at it, and never opened it";
  EXPECT_NE(held.take(1).file, nullptr);
}

TEST(HeldFilesTest, OfTooManyThreadsTheOldestIsForgotten) {
  HeldFiles held;
  auto first = file_of(5);
  const std::weak_ptr<const HeldFile> closed = first;
  held.set(1, std::move(first));
  for (pid_t thread = 2; thread < 100; ++thread) held.expect(thread);
  EXPECT_FALSE(held.counts_look(1));
  EXPECT_TRUE(held.counts_look(99));
  EXPECT_TRUE(closed.expired());
}

TEST(HeldFilesTest, WhoFoundNothingLastIsShownNothingUntilItLooksAgain) {
  HeldFiles held;
  const auto file =
      std::make_shared<const HeldFile>(HeldFile{.node = NodeId{5}, .path = {}, .version = {}, .file = {}});
  held.set_none(1);  // nobody waits for it
  EXPECT_FALSE(held.take(1).was_none);
  held.set(1, file);
  held.set_none(1);
  EXPECT_FALSE(held.counts_question(1, NodeId{5}));
  EXPECT_EQ(held.shown(1, NodeId{5}), nullptr);
  held.set(1, file);
  EXPECT_EQ(held.shown(1, NodeId{5}), file);
  EXPECT_EQ(held.shown(1, NodeId{6}), nullptr);
  EXPECT_FALSE(held.take(1).was_none) << "the kernel looked once more";
  held.expect(1);
  held.set_none(1);
  EXPECT_TRUE(held.take(1).was_none);
}

}  // namespace
}  // namespace arenacache::vfs
