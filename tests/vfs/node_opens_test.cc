// SPDX-License-Identifier: Apache-2.0
// NodeTable: which version the kernel's pages are of, and when a node is retired (node_opens.cc).
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "arenacache/vfs/node_table.h"
#include "node_table_fixture.h"

namespace arenacache::vfs {
namespace {

using namespace node_table;

class NodeOpensTest : public NodeTableTest {};

TEST_F(NodeOpensTest, PagesAreKeptWhileTheVersionStays) {
  const NodeId id = look_up("a", file(5));
  EXPECT_TRUE(table_.open(id, OpenKind::read).keep_pages)
      << "there are none, and none are to go when the opener gets to run";
  EXPECT_TRUE(table_.open(id, OpenKind::read).keep_pages);
  table_.close(id, OpenKind::read);
  table_.close(id, OpenKind::read);
  EXPECT_TRUE(table_.open(id, OpenKind::read).keep_pages);
  table_.close(id, OpenKind::read);
  EXPECT_EQ(see(id, file(5, kLarge, 200)), Seen::taken) << "nobody has it open";
  EXPECT_FALSE(table_.open(id, OpenKind::read).keep_pages);
}

TEST_F(NodeOpensTest, PagesThatAreStillToBeDroppedAreKeptByNobody) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::read);
  table_.close(id, OpenKind::read);
  see(id, file(5, kLarge, 200));
  EXPECT_TRUE(table_.open(id, OpenKind::read).drops_pages);
  const OpenDecision second = table_.open(id, OpenKind::read);
  EXPECT_FALSE(second.keep_pages) << "the first opener may not have run yet";
  EXPECT_TRUE(second.drops_pages);
  table_.pages_dropped(id);
  table_.pages_dropped(id);
  const OpenDecision third = table_.open(id, OpenKind::read);
  EXPECT_TRUE(third.keep_pages);
  EXPECT_FALSE(third.drops_pages);
}

TEST_F(NodeOpensTest, PagesThatAnUnansweredOpenWasToDropAreStillThere) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::read);
  table_.close(id, OpenKind::read);
  see(id, file(5, kLarge, 200));
  ASSERT_TRUE(table_.open(id, OpenKind::read).drops_pages);
  table_.pages_not_dropped(id);
  table_.close(id, OpenKind::read);
  EXPECT_TRUE(table_.open(id, OpenKind::read).drops_pages);
  table_.pages_dropped(id);
  EXPECT_TRUE(table_.open(id, OpenKind::read).keep_pages);
}

TEST_F(NodeOpensTest, PagesFollowChangesThroughTheMount) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::read);
  const origin::Attributes before = file(5);
  origin::Attributes after = before;
  after.st_ctim.tv_sec += 10;
  table_.attributes_changed(id, &before, after, kNow);
  EXPECT_TRUE(table_.open(id, OpenKind::read).keep_pages);
  table_.attributes_changed(id, nullptr, file(5, kLarge + 5, 300), kNow);
  EXPECT_TRUE(table_.open(id, OpenKind::read).keep_pages) << "the kernel saw the write itself";
}

TEST_F(NodeOpensTest, PagesAreKeptWhileAWriteIsUnderWay) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::write);
  ASSERT_TRUE(table_.begin_data_change(id));
  EXPECT_EQ(see(id, file(5, kLarge, 200)), Seen::kept) << "half of our own write";
  EXPECT_EQ(look_up("a", file(5, kLarge, 201)), id);
  EXPECT_TRUE(table_.open(id, OpenKind::read).keep_pages);
  table_.attributes_changed(id, nullptr, file(5, kLarge, 202), kNow);
  table_.end_data_change(id);
  EXPECT_TRUE(table_.open(id, OpenKind::read).keep_pages);
  EXPECT_EQ(see(id, file(5, kLarge, 203)), Seen::taken) << "not ours any more";
  const OpenDecision late = table_.open(id, OpenKind::read);
  EXPECT_TRUE(late.bypass_pages);
  EXPECT_TRUE(late.keep_pages) << "the next write may be on its way";
}

TEST_F(NodeOpensTest, WhoOpensDuringAChangeByItsNameKnowsOfAWriter) {
  const NodeId id = look_up("a", file(5));
  EXPECT_FALSE(table_.open(id, OpenKind::read).has_writer);
  ASSERT_TRUE(table_.begin_data_change(id));
  EXPECT_TRUE(table_.open(id, OpenKind::read).has_writer);
  table_.end_data_change(id);
  EXPECT_FALSE(table_.open(id, OpenKind::read).has_writer);
}

TEST_F(NodeOpensTest, AnOpenHearsOfAWriterThatCameMeanwhile) {
  const NodeId id = look_up("a", file(5));
  const OpenDecision first = table_.open(id, OpenKind::read);
  EXPECT_FALSE(table_.is_written_since(id, first));
  ASSERT_TRUE(table_.begin_data_change(id));
  EXPECT_TRUE(table_.is_written_since(id, first));
  table_.attributes_changed(id, nullptr, file(5, 0, 200), kNow);
  table_.end_data_change(id);
  EXPECT_TRUE(table_.is_written_since(id, first)) << "and it has gone";
  const OpenDecision second = table_.open(id, OpenKind::read);
  EXPECT_FALSE(table_.is_written_since(id, second));
  auto other_mode = file(5, 0, 200);
  other_mode.st_mode ^= S_IXUSR;
  table_.attributes_changed(id, &other_mode, other_mode, kNow);
  EXPECT_FALSE(table_.is_written_since(id, second)) << "the data are the same";
}

TEST_F(NodeOpensTest, WhoIsAboutToDropPagesDropsNoneThatAreWritten) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::read);
  table_.close(id, OpenKind::read);
  ASSERT_EQ(see(id, file(5, kLarge, 200)), Seen::taken);
  EXPECT_TRUE(table_.open(id, OpenKind::read).drops_pages);
  const OpenDecision writer = table_.open(id, OpenKind::write);
  EXPECT_TRUE(writer.bypass_pages) << "the reader may drop them after the first write";
  EXPECT_TRUE(writer.keep_pages);
  table_.close(id, OpenKind::write);
  table_.pages_dropped(id);
  EXPECT_FALSE(table_.open(id, OpenKind::write).bypass_pages);
}

TEST_F(NodeOpensTest, AWriteUnderWayHidesNoOtherFile) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::write);
  ASSERT_TRUE(table_.begin_data_change(id));
  EXPECT_EQ(see(id, file(6)), Seen::other_file);
  EXPECT_NE(look_up("a", file(6)), id);
  table_.end_data_change(id);
}

TEST_F(NodeOpensTest, AttributesThatNobodyKnowsAreTakenDuringAWrite) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::write);
  table_.data_unknown(id);
  ASSERT_TRUE(table_.begin_data_change(id));
  EXPECT_EQ(see(id, file(5, kLarge, 200)), Seen::taken);
  table_.end_data_change(id);
}

TEST_F(NodeOpensTest, AWriteUnderTheNewNodeIsOneOfTheOld) {
  const NodeId old = look_up("a", file(5));
  table_.open(old, OpenKind::read);
  ASSERT_EQ(table_.settle({.node = old}).answer, OpenWay::Answer::served);
  const cache::BackingKey stored{7};
  table_.open(old, OpenKind::read);  // the file is in the store now
  ASSERT_EQ(table_.settle({.node = old, .offer = stored}).answer, OpenWay::Answer::look_up_again);
  const NodeId current = look_up("a", file(5));
  ASSERT_NE(current, old);
  table_.open(current, OpenKind::read);
  ASSERT_EQ(table_.settle({.node = current, .offer = stored}).answer, OpenWay::Answer::backed);
  constexpr pid_t kWriter = 7;
  table_.open(current, OpenKind::write, kWriter);
  ASSERT_EQ(table_.settle({.node = current, .kind = OpenKind::write, .thread = kWriter}).answer,
            OpenWay::Answer::look_up_again);
  const NodeId forgotten = look_up("a", file(5));
  table_.forget(forgotten, 1);  // its names come back
  table_.check_invariants();
  const NodeId written = look_up("a", file(5));
  ASSERT_NE(written, current);
  table_.open(written, OpenKind::write, kWriter);
  ASSERT_EQ(table_.settle({.node = written, .kind = OpenKind::write}).answer, OpenWay::Answer::served);
  table_.attributes_changed(written, nullptr, file(5, kLarge + 5, 300), kNow);
  EXPECT_EQ(table_.served_beside(written), std::vector<NodeId>{old});
  EXPECT_EQ(table_.state(old)->attributes.st_size, static_cast<off_t>(kLarge + 5));
  EXPECT_EQ(table_.with_name_of(old), written);
  EXPECT_EQ(table_.with_name_of(written), written);
  table_.name_removed({kRootNode, "a"});
  EXPECT_EQ(table_.with_name_of(old), old) << "nobody has the name";
  const NodeId other = look_up("b", file(5, kSmall));  // the inode's number came again
  EXPECT_TRUE(table_.served_beside(other).empty());
  EXPECT_EQ(table_.with_name_of(old), old);
}

/// Behind our back "a" went, and its inode's number was given to another file. The kernel may still open "a" by its node.
TEST_F(NodeOpensTest, AnInodesNumberThatComesAgainIsAnotherFile) {
  const NodeId gone = look_up("a", file(5, kSmall, 100));
  const NodeId other = look_up("b", file(5, kSmall, 200));
  EXPECT_NE(other, gone);
  EXPECT_EQ(path(gone), "(none)");
  EXPECT_EQ(path(other), "b");
}

TEST_F(NodeOpensTest, AFileThatWasMovedKeepsItsNode) {
  const NodeId moved = look_up("a", file(5, kSmall));
  EXPECT_EQ(look_up("b", file(5, kSmall)), moved);
}

TEST_F(NodeOpensTest, AFileThatGotANameMoreKeepsItsNodeThoughItWasWritten) {
  const NodeId linked = look_up("a", file(5, kSmall, 100));
  origin::Attributes seen = file(5, kSmall, 200);
  seen.st_nlink = 2;
  EXPECT_EQ(look_up("b", seen), linked);
}

/// What was asked of the origin before a write ended has less of it than is known here.
TEST_F(NodeOpensTest, AFileThatWasWrittenAndMovedKeepsItsNodeForAnAnswerFromBefore) {
  const NodeId written = look_up("a", file(5, kSmall, 100));
  const ChangeStamp asked = table_.stamp();
  table_.attributes_changed(written, nullptr, file(5, kSmall, 200), kNow);
  const auto entry = table_.entry_seen({kRootNode, "b"}, file(5, kSmall, 100), asked, kNow);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->id, written);
}

TEST_F(NodeOpensTest, AFileThatIsWrittenKeepsItsNodeWhereverItIsSeen) {
  const NodeId written = look_up("a", file(5, kSmall, 100));
  table_.open(written, OpenKind::write);
  EXPECT_EQ(look_up("b", file(5, kSmall, 200)), written);
  table_.close(written, OpenKind::write);
}

TEST_F(NodeOpensTest, AttributeChangeDoesNotVouchForAVersionNobodySaw) {
  const NodeId id = look_up("a", file(5, kSmall));
  table_.open(id, OpenKind::read);
  table_.close(id, OpenKind::read);
  const origin::Attributes changed_behind = file(5, kSmall, 200);
  table_.attributes_changed(id, &changed_behind, file(5, kSmall, 200), kNow);
  EXPECT_FALSE(table_.open(id, OpenKind::read).keep_pages);
}

TEST_F(NodeOpensTest, ChangedBehindOurBackWhileReadIsRetiredOnce) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::read);
  EXPECT_EQ(see(id, file(5, kLarge, 200)), Seen::kept) << "who has it open keeps the size it had";
  EXPECT_EQ(table_.open(id, OpenKind::read).answer, OpenDecision::Answer::look_up_again);
  const OpenDecision second = table_.open(id, OpenKind::read);
  EXPECT_EQ(second.answer, OpenDecision::Answer::serve) << "never sent away twice";
  EXPECT_TRUE(second.bypass_pages);
  EXPECT_EQ(second.version.mtime_ns, 200'123'456'789);
  EXPECT_FALSE(table_.fresh_entry({kRootNode, "a"}, kNow - std::chrono::seconds(1)).has_value());
  const NodeId fresh = look_up("a", file(5, kLarge, 200));
  EXPECT_NE(fresh, id);
  EXPECT_EQ(table_.state(fresh)->attributes.st_ino, 5U);
  EXPECT_EQ(look_up("a", file(5, kLarge, 200)), fresh);
}

TEST_F(NodeOpensTest, LookupAloneRetiresToo) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::read);
  EXPECT_NE(look_up("a", file(5, kLarge, 200)), id);
  EXPECT_EQ(table_.state(id)->attributes.st_mtim.tv_sec, 100);
}

TEST_F(NodeOpensTest, SmallFilesKeepTheirNodeForTheirLocks) {
  const NodeId id = look_up("a", file(5, kSmall));
  table_.open(id, OpenKind::read);
  EXPECT_EQ(look_up("a", file(5, kSmall, 200)), id);
  const OpenDecision decision = table_.open(id, OpenKind::read);
  EXPECT_EQ(decision.answer, OpenDecision::Answer::serve);
  EXPECT_TRUE(decision.bypass_pages) << "the kernel's pages are the other reader's";
}

TEST_F(NodeOpensTest, ASmallFileThatGotTheNumberOfOneThatIsReadIsAnotherFile) {
  const NodeId replaced = look_up("a", file(5, kSmall));
  table_.open(replaced, OpenKind::read);
  EXPECT_EQ(look_up("moved", file(5, kSmall)), replaced) << "the same data";
  EXPECT_NE(look_up("new", file(5, kSmall, 200)), replaced);
  EXPECT_EQ(path(replaced), "(none)");
}

TEST_F(NodeOpensTest, WritersAreNeverRetired) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::read);
  table_.open(id, OpenKind::write);
  EXPECT_EQ(see(id, file(5, kLarge, 200)), Seen::taken);
  const OpenDecision decision = table_.open(id, OpenKind::read);
  EXPECT_EQ(decision.answer, OpenDecision::Answer::serve);
  EXPECT_TRUE(decision.has_writer);
  EXPECT_EQ(table_.close(id, OpenKind::write), 0U);
}

}  // namespace
}  // namespace arenacache::vfs
