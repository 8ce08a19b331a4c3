// SPDX-License-Identifier: Apache-2.0
// NodeTable::settle: which opens of a node the kernel reads by itself, which the daemon serves, and which are sent away.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <string_view>
#include <vector>

#include "arenacache/vfs/node_table.h"

namespace arenacache::vfs {
namespace {

using Answer = OpenWay::Answer;

constexpr std::uint64_t kLarge = kLargestUnretiredFile + 1;
constexpr base::TimePoint kNow{std::chrono::hours(10)};
constexpr cache::BackingKey kStored{17};
constexpr cache::BackingKey kStoredAnew{18};
constexpr Name kModel{kRootNode, "model"};
constexpr cache::BackingKey kOwn = cache::origin_backing(5);

origin::Attributes file(std::int64_t mtime = 100) {
  origin::Attributes attributes{};
  attributes.st_mode = S_IFREG | 0644;
  attributes.st_dev = 7;
  attributes.st_ino = 5;
  attributes.st_nlink = 2;
  attributes.st_size = static_cast<off_t>(kLarge);
  attributes.st_mtim.tv_sec = mtime;
  return attributes;
}

class NodeWaysTest : public ::testing::Test {
 protected:
  ~NodeWaysTest() override { table_.check_invariants(); }

  NodeId look_up(std::string_view name, std::int64_t mtime = 100) {
    return table_.entry_seen({kRootNode, name}, file(mtime), table_.stamp(), kNow)->id;
  }
  OpenWay open(NodeId id, cache::BackingKey offer, OpenKind kind = OpenKind::read, pid_t thread = 1) {
    const OpenDecision decision = table_.open(id, kind);
    if (decision.answer == OpenDecision::Answer::look_up_again) return {.answer = Answer::look_up_again};
    return table_.settle({.node = id, .kind = kind, .thread = thread, .version = decision.version, .offer = offer});
  }

  /// For who reads through the cache, which has nothing to offer.
  OpenWay open_cached(NodeId id, pid_t thread) {
    const OpenDecision decision = table_.open(id, OpenKind::read);
    Opening opening{.node = id, .thread = thread, .version = decision.version};
    opening.reads_cache = true;
    return table_.settle(opening);
  }

  static origin::Fidelity fidelity() {
    origin::Fidelity disk;
    disk.stable_inodes = disk.has_ctime = true;
    return disk;
  }

  NodeTable table_{fidelity()};
};

TEST_F(NodeWaysTest, FirstOpenDecidesForThoseBesideIt) {
  const NodeId id = look_up("model");
  EXPECT_EQ(open(id, kStored).answer, Answer::backed);
  const OpenWay second = open(id, kStored);
  EXPECT_EQ(second.answer, Answer::backed);
  EXPECT_EQ(second.backing, kStored);
}

TEST_F(NodeWaysTest, AfterTheLastCloseTheWayIsOpenAgain) {
  const NodeId id = look_up("model");
  EXPECT_EQ(open(id, cache::kNoBacking).answer, Answer::served);
  table_.close(id, OpenKind::read);
  EXPECT_EQ(open(id, kStored).answer, Answer::backed);
}

TEST_F(NodeWaysTest, ServedNodeWhoseFileBecameResidentGetsASuccessorWithoutTheOrigin) {
  const NodeId id = look_up("model");
  EXPECT_EQ(open(id, cache::kNoBacking).answer, Answer::served);
  EXPECT_EQ(open(id, kStored).answer, Answer::look_up_again);
  const auto next = table_.fresh_entry({kRootNode, "model"}, kNow - std::chrono::seconds(1));
  ASSERT_TRUE(next) << "the origin would be asked";
  EXPECT_NE(next->id, id);
  EXPECT_EQ(open(next->id, kStored).answer, Answer::backed);
}

TEST_F(NodeWaysTest, WhoWasJustSentAwayIsServedRatherThanSentAwayAgain) {
  const NodeId id = look_up("model");
  open(id, cache::kNoBacking);
  EXPECT_EQ(open(id, kStored, OpenKind::read, 2).answer, Answer::look_up_again);
  const NodeId next = table_.fresh_entry({kRootNode, "model"}, kNow - std::chrono::seconds(1))->id;
  open(next, cache::kNoBacking, OpenKind::read, 3);
  EXPECT_EQ(open(next, kStored, OpenKind::read, 2).answer, Answer::served);
  EXPECT_EQ(open(next, kStored, OpenKind::read, 4).answer, Answer::look_up_again) << "another thread has its try left";
}

TEST_F(NodeWaysTest, EvictedAndFilledAgainMeansAnotherNode) {
  const NodeId id = look_up("model");
  open(id, kStored);
  EXPECT_EQ(open(id, kStoredAnew).answer, Answer::look_up_again);
}

TEST_F(NodeWaysTest, WriterOfAFileThatTheKernelReadsGetsAnotherNode) {
  const NodeId id = look_up("model");
  open(id, kStored);
  EXPECT_EQ(open(id, cache::kNoBacking, OpenKind::write).answer, Answer::look_up_again);
  const NodeId next = table_.fresh_entry({kRootNode, "model"}, kNow - std::chrono::seconds(1))->id;
  EXPECT_EQ(open(next, cache::kNoBacking, OpenKind::write).answer, Answer::served);
  EXPECT_EQ(open(next, kStored).answer, Answer::served) << "a node with a writer is not retired";
}

TEST_F(NodeWaysTest, WriterThatWasSentAwayComesBackToANodeThatItCanOpen) {
  const NodeId id = look_up("model");
  open(id, kStored);
  ASSERT_EQ(open(id, cache::kNoBacking, OpenKind::write, 2).answer, Answer::look_up_again);
  const auto next = table_.fresh_entry(kModel, kNow - std::chrono::seconds(1));
  ASSERT_EQ(open(next->id, kStored, OpenKind::read, 3).answer, Answer::backed) << "somebody was quicker";
  const Entry kept = table_.keep_for_writer(kModel, *next, 2);
  EXPECT_EQ(open(kept.id, kStored, OpenKind::read, 4).answer, Answer::served) << "nobody is quicker now";
  EXPECT_EQ(open(kept.id, kStored, OpenKind::read, 4).answer, Answer::served) << "nor takes its name away";
  EXPECT_EQ(open(kept.id, cache::kNoBacking, OpenKind::write, 2).answer, Answer::served);
}

TEST_F(NodeWaysTest, NothingIsKeptForAWriterThatWasAnswered) {
  const NodeId id = look_up("model");
  table_.note_sent_away(2, OpenKind::write, 1);
  EXPECT_EQ(table_.keep_for_writer(kModel, *table_.known_entry(kModel), 2).id, id);
  table_.end_sent_away(2, 2);
  EXPECT_EQ(open(id, kStored).answer, Answer::backed);
}

TEST_F(NodeWaysTest, NothingIsKeptForReaders) {
  const NodeId id = look_up("model");
  open(id, kStored);
  table_.note_sent_away(2, OpenKind::read, 1);
  EXPECT_EQ(table_.keep_for_writer(kModel, *table_.known_entry(kModel), 2).id, id);
  EXPECT_EQ(open(id, kStored, OpenKind::read, 3).answer, Answer::backed);
}

TEST_F(NodeWaysTest, AnOpenForWritingThatIsOnItsWayIsNotOvertaken) {
  const NodeId id = look_up("model");
  const OpenDecision writer = table_.open(id, OpenKind::write);
  EXPECT_EQ(open(id, kStored, OpenKind::read, 2).answer, Answer::served);
  EXPECT_EQ(table_.settle({.node = id, .kind = OpenKind::write, .thread = 1, .version = writer.version}).answer,
            Answer::served);
}

TEST_F(NodeWaysTest, AnOpenNodeHasItsNameAgainOnceTheOneAfterItIsForgotten) {
  const NodeId id = look_up("model");
  open(id, cache::kNoBacking);
  ASSERT_EQ(open(id, kStored).answer, Answer::look_up_again);
  for (int round = 0; round < 2; ++round) {
    const NodeId next = look_up("model");
    ASSERT_NE(next, id);
    EXPECT_FALSE(table_.path(id));
    table_.forget(next, 1);
    ASSERT_TRUE(table_.path(id)) << "a successor has no other way to it";
    EXPECT_EQ(table_.path(id)->path, "model");
  }
  const NodeId changed = look_up("model", 200);
  table_.forget(changed, 1);
  EXPECT_FALSE(table_.path(id)) << "what has the name now is no longer what is open";
}

TEST_F(NodeWaysTest, NobodyIsToldWhatAWriterUnseenMadeWrong) {
  const NodeId id = look_up("model");
  const ChangeStamp asked = table_.stamp();
  table_.data_unknown(id);
  EXPECT_FALSE(table_.state(id)->has_attributes);
  EXPECT_FALSE(table_.known_entry(kModel));
  EXPECT_FALSE(table_.entry_seen(kModel, file(), asked, kNow)) << "asked before the change";
  EXPECT_TRUE(table_.entry_seen(kModel, file(200), table_.stamp(), kNow));
  EXPECT_TRUE(table_.known_entry(kModel));
}

TEST_F(NodeWaysTest, SecondOpenWithoutALookupReadsWhatIsOpenThere) {
  const NodeId id = look_up("model");
  open(id, kStored);
  EXPECT_EQ(open(id, kStoredAnew, OpenKind::read, 2).answer, Answer::look_up_again);
  const OpenWay again = open(id, kStoredAnew, OpenKind::read, 2);
  EXPECT_EQ(again.answer, Answer::backed);
  EXPECT_EQ(again.backing, kStored);
  EXPECT_EQ(open(id, kStoredAnew, OpenKind::read, 3).answer, Answer::look_up_again) << "it may find what is newer";
  EXPECT_EQ(open(id, cache::kNoBacking, OpenKind::write, 4).answer, Answer::look_up_again) << "never a writer";
}

TEST_F(NodeWaysTest, EveryNameOfARetiredNodeIsSentAwayOnce) {
  const NodeId id = look_up("model");
  ASSERT_EQ(look_up("other-name"), id);
  open(id, cache::kNoBacking);
  EXPECT_EQ(open(id, kStored, OpenKind::read, 1).answer, Answer::look_up_again);
  ASSERT_TRUE(table_.fresh_entry({kRootNode, "model"}, kNow - std::chrono::seconds(1)));
  EXPECT_EQ(table_.open(id, OpenKind::read).answer, OpenDecision::Answer::look_up_again) << "by the other name";
  EXPECT_EQ(table_.open(id, OpenKind::read).answer, OpenDecision::Answer::serve) << "by /proc/self/fd";
}

TEST_F(NodeWaysTest, WhoWasSentAwayFromElsewhereIsNotSentAwayAgain) {
  const NodeId id = look_up("model");
  open(id, kStored);
  ASSERT_NE(table_.attributes_seen(id, file(200), table_.stamp(), kNow), Seen::taken) << "another version: retired";
  table_.note_sent_away(7, OpenKind::read, 1);
  EXPECT_EQ(table_.open(id, OpenKind::read, 7).answer, OpenDecision::Answer::serve);
}

TEST_F(NodeWaysTest, AFileThatNobodyHasOpenAnyMoreDecidesNothing) {
  const NodeId id = look_up("model");
  open(id, kStored);
  const OpenDecision decision = table_.open(id, OpenKind::read);
  Opening opening{.node = id, .thread = 2, .version = decision.version};
  table_.note_sent_away(2, OpenKind::read, 1);
  EXPECT_EQ(table_.settle(opening).backing, kStored) << "before it is known";
  opening.gone = kStored;
  EXPECT_EQ(table_.settle(opening).answer, Answer::served);
  EXPECT_EQ(open(id, cache::kNoBacking).answer, Answer::served);
}

TEST_F(NodeWaysTest, OriginsOwnFileIsSharedByReadersAndWriters) {
  const NodeId id = look_up("model");
  EXPECT_EQ(open(id, kOwn, OpenKind::write).answer, Answer::backed);
  EXPECT_EQ(open(id, cache::kNoBacking).backing, kOwn);
  EXPECT_EQ(open(id, cache::kNoBacking, OpenKind::write).backing, kOwn);
}

TEST_F(NodeWaysTest, WhoReadsTheCacheDoesNotShareTheOriginsOwnFile) {
  const NodeId id = look_up("model");
  ASSERT_EQ(open(id, kOwn).backing, kOwn) << "while the cache was off";
  EXPECT_EQ(open_cached(id, 2).answer, Answer::look_up_again);
  const NodeId next = table_.fresh_entry(kModel, kNow - std::chrono::seconds(1))->id;
  EXPECT_EQ(open_cached(next, 2).answer, Answer::served);
  open(id, kOwn);
  EXPECT_EQ(open(id, kOwn).backing, kOwn) << "by /proc/self/fd";
}

TEST_F(NodeWaysTest, NobodyWritesANodeThatIsAboutToLoseItsName) {
  const NodeId id = look_up("model");
  open(id, cache::kNoBacking);
  ASSERT_EQ(open(id, kStored, OpenKind::read, 2).answer, Answer::look_up_again);
  EXPECT_EQ(table_.open(id, OpenKind::write, 3).answer, OpenDecision::Answer::look_up_again);
  table_.note_sent_away(3, OpenKind::write, 1);
  EXPECT_EQ(table_.open(id, OpenKind::write, 3).answer, OpenDecision::Answer::serve)
      << "the kernel comes no third time";
}

TEST_F(NodeWaysTest, WhoReadsTheCacheSharesTheOriginsOwnFileWithItsWriter) {
  const NodeId id = look_up("model");
  open(id, kOwn, OpenKind::write);
  EXPECT_EQ(open_cached(id, 2).backing, kOwn);
}

TEST_F(NodeWaysTest, NobodyWritesUnseenBesideReadersOfAnOlderNode) {
  const NodeId id = look_up("model");
  ASSERT_EQ(open(id, cache::kNoBacking).answer, Answer::served);
  ASSERT_EQ(open(id, kOwn, OpenKind::read, 2).answer, Answer::look_up_again);
  const NodeId next = table_.fresh_entry(kModel, kNow - std::chrono::seconds(1))->id;
  ASSERT_EQ(table_.served_beside(next), std::vector{id});
  ASSERT_EQ(open(next, kOwn, OpenKind::read, 2).answer, Answer::backed);
  EXPECT_EQ(open(next, kOwn, OpenKind::write, 3).answer, Answer::look_up_again);
  const auto found = table_.fresh_entry(kModel, kNow - std::chrono::seconds(1));
  const NodeId last = table_.keep_for_writer(kModel, *found, 3).id;
  EXPECT_EQ(open(last, kOwn, OpenKind::read, 4).answer, Answer::served) << "who is quicker than the writer";
  EXPECT_EQ(open(last, kOwn, OpenKind::write, 3).answer, Answer::served);
  EXPECT_EQ(table_.served_beside(last), std::vector{id}) << "who is told of what is written";
}

TEST_F(NodeWaysTest, AReaderWhoWasQuickerDoesNotMakeAWriterUnseenBesideReadersOfAnOlderNode) {
  const NodeId id = look_up("model");
  ASSERT_EQ(open(id, cache::kNoBacking).answer, Answer::served);
  ASSERT_EQ(open(id, kOwn, OpenKind::read, 2).answer, Answer::look_up_again);
  const NodeId next = table_.fresh_entry(kModel, kNow - std::chrono::seconds(1))->id;
  ASSERT_EQ(open(next, kOwn, OpenKind::read, 2).answer, Answer::backed);
  ASSERT_EQ(open(next, kOwn, OpenKind::write, 3).answer, Answer::look_up_again);
  const auto found = table_.fresh_entry(kModel, kNow - std::chrono::seconds(1));
  ASSERT_EQ(open(found->id, kOwn, OpenKind::read, 4).answer, Answer::backed) << "before the writer's lookup";
  const NodeId last = table_.keep_for_writer(kModel, *found, 3).id;
  EXPECT_EQ(open(last, kOwn, OpenKind::write, 3).answer, Answer::served);
  EXPECT_EQ(table_.served_beside(last), std::vector{id}) << "who is told of what is written";
}

TEST_F(NodeWaysTest, WhoIsServedOnANodeThatLostItsNameMeanwhileGoesPastThePages) {
  const NodeId id = look_up("model");
  ASSERT_EQ(open(id, kStored).answer, Answer::backed);
  const OpenDecision decision = table_.open(id, OpenKind::read);
  ASSERT_FALSE(decision.bypass_pages);
  ASSERT_EQ(open(id, cache::kNoBacking, OpenKind::write, 2).answer, Answer::look_up_again);
  table_.close(id, OpenKind::read);
  table_.note_sent_away(3, OpenKind::read, 1);
  const OpenWay way = table_.settle({.node = id, .thread = 3, .version = decision.version, .gone = kStored});
  EXPECT_EQ(way.answer, Answer::served);
  EXPECT_TRUE(way.bypasses_pages) << "the newer node may be written unseen";
}

TEST_F(NodeWaysTest, WhoReadsAFileThatIsBeingTruncatedIsFoundByWhoWritesItsNextNode) {
  const NodeId id = look_up("model");
  ASSERT_EQ(open(id, cache::kNoBacking).answer, Answer::served);
  ASSERT_EQ(open(id, kStored, OpenKind::read, 2).answer, Answer::look_up_again);
  ASSERT_TRUE(table_.begin_data_change(id));
  const NodeId next = look_up("model", 200);
  ASSERT_NE(next, id);
  table_.end_data_change(id);
  EXPECT_EQ(table_.served_beside(next), std::vector{id});
}

TEST_F(NodeWaysTest, WhoWritesPastThePagesOfReadersHasThemDropped) {
  const NodeId id = look_up("model");
  ASSERT_EQ(open(id, cache::kNoBacking).answer, Answer::served);
  ASSERT_EQ(open(id, kStored, OpenKind::read, 2).answer, Answer::look_up_again);
  table_.note_sent_away(3, OpenKind::write, 1);
  const OpenDecision decision = table_.open(id, OpenKind::write, 3);
  ASSERT_TRUE(decision.bypass_pages) << "the kernel comes no third time";
  EXPECT_EQ(table_.served_beside(id), std::vector{id});
  const NodeId next = table_.fresh_entry(kModel, kNow - std::chrono::seconds(1))->id;
  EXPECT_EQ(table_.served_beside(next), std::vector{id}) << "who writes the file's next node tells it too";
  table_.close(id, OpenKind::write);
  EXPECT_TRUE(table_.served_beside(id).empty());
}

TEST_F(NodeWaysTest, PagesThatAreWrittenAreNotDropped) {
  const NodeId id = look_up("model");
  open(id, cache::kNoBacking);
  open(id, cache::kNoBacking, OpenKind::write);
  EXPECT_TRUE(table_.served_beside(id).empty()) << "a page that is written waits for the answer";
  EXPECT_EQ(table_.served_beside(id, true), std::vector{id}) << "a second one, past them: the first may be gone";
}

TEST_F(NodeWaysTest, WhatIsKnownOfAFileThatTheKernelWritesIsOldAtOnce) {
  const NodeId id = look_up("model");
  open(id, kOwn, OpenKind::write);
  EXPECT_EQ(table_.state(id)->validated, base::TimePoint::min());
  EXPECT_FALSE(table_.fresh_entry({kRootNode, "model"}, kNow - std::chrono::seconds(1)));
  table_.close(id, OpenKind::write);
  EXPECT_EQ(table_.state(id)->validated, kNow);
}

}  // namespace
}  // namespace arenacache::vfs
