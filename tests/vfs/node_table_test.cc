// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/node_table.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace arenacache::vfs {
namespace {

constexpr std::uint64_t kLarge = kLargestUnretiredFile + 1;
constexpr std::uint64_t kSmall = 1000;
constexpr base::TimePoint kNow{std::chrono::hours(10)};
constexpr base::TimePoint kLater{std::chrono::hours(11)};

origin::Attributes file(std::uint64_t inode, std::uint64_t size = kLarge, std::int64_t mtime = 100) {
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

origin::Attributes folder(std::uint64_t inode) {
  origin::Attributes attributes = file(inode, 4096);
  attributes.st_mode = S_IFDIR | 0755;
  return attributes;
}

origin::Fidelity fidelity(bool stable_inodes) {
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

class UnstableInodesTest : public NodeTableTest {
 protected:
  UnstableInodesTest() : NodeTableTest(false) {}
};

TEST_F(NodeTableTest, AttributesComeBackAsTheyWere) {
  origin::Attributes given = file(5);
  given.st_uid = 1000;
  given.st_gid = 1001;
  given.st_rdev = 0x801;
  given.st_blocks = 17;
  given.st_blksize = 4096;
  given.st_atim = {.tv_sec = -5, .tv_nsec = 999'999'999};
  const NodeId id = look_up("a", given);
  const auto state = table_.state(id);
  ASSERT_TRUE(state.has_value());
  const origin::Attributes& got = state->attributes;
  EXPECT_EQ(got.st_mode, given.st_mode);
  EXPECT_EQ(got.st_ino, given.st_ino);
  EXPECT_EQ(got.st_size, given.st_size);
  EXPECT_EQ(got.st_uid, given.st_uid);
  EXPECT_EQ(got.st_gid, given.st_gid);
  EXPECT_EQ(got.st_rdev, given.st_rdev);
  EXPECT_EQ(got.st_blocks, given.st_blocks);
  EXPECT_EQ(got.st_blksize, given.st_blksize);
  EXPECT_EQ(got.st_atim.tv_sec, -5);
  EXPECT_EQ(got.st_atim.tv_nsec, 999'999'999);
  EXPECT_EQ(got.st_mtim.tv_nsec, 123'456'789);
}

TEST_F(NodeTableTest, PathsAreBuiltFromNames) {
  const NodeId outer = look_up("outer", folder(2));
  const NodeId inner = look_up(outer, "inner", folder(3));
  const NodeId leaf = look_up(inner, "leaf", file(4));
  EXPECT_EQ(path(kRootNode), "");
  EXPECT_EQ(path(leaf), "outer/inner/leaf");
  EXPECT_EQ(table_.child_path({inner, "other"}), "outer/inner/other");
  EXPECT_EQ(table_.child_path({kRootNode, "x"}), "x");
}

TEST_F(NodeTableTest, NamesOfOneInodeShareANode) {
  const NodeId first = look_up("a", file(5));
  EXPECT_EQ(look_up("b", file(5)), first);
  EXPECT_EQ(path(first), "b") << "the name confirmed last";
  table_.name_removed({kRootNode, "b"});
  EXPECT_EQ(path(first), "a");
}

TEST_F(NodeTableTest, ANameInDoubtIsNotFreshThoughItsFileIs) {
  look_up("a", file(5));
  table_.name_doubted({kRootNode, "a"});
  EXPECT_FALSE(table_.fresh_entry({kRootNode, "a"}, kNow - std::chrono::seconds(1)));
  look_up("b", file(5));  // it was moved
  EXPECT_TRUE(table_.fresh_entry({kRootNode, "b"}, kNow - std::chrono::seconds(1)));
  EXPECT_FALSE(table_.fresh_entry({kRootNode, "a"}, kNow - std::chrono::seconds(1)));
  EXPECT_FALSE(table_.is_fresh({kRootNode, "a"}, kNow - std::chrono::seconds(1)));
  look_up("a", file(5));
  EXPECT_TRUE(table_.fresh_entry({kRootNode, "a"}, kNow - std::chrono::seconds(1)));
}

TEST_F(NodeTableTest, AFileWithMoreNamesThanLinksHasOneThatIsSure) {
  look_up("a", file(5));
  look_up("b", file(5));  // moved behind our back: one link, two names
  EXPECT_FALSE(table_.fresh_entry({kRootNode, "a"}, kNow - std::chrono::seconds(1)));
  EXPECT_TRUE(table_.fresh_entry({kRootNode, "b"}, kNow - std::chrono::seconds(1)));
  origin::Attributes linked = file(6);
  linked.st_nlink = 2;
  look_up("c", linked);
  look_up("d", linked);
  EXPECT_TRUE(table_.fresh_entry({kRootNode, "c"}, kNow - std::chrono::seconds(1)));
  EXPECT_TRUE(table_.fresh_entry({kRootNode, "d"}, kNow - std::chrono::seconds(1)));
}

TEST_F(NodeTableTest, WhatWasAskedBeforeADoubtIsNotFresh) {
  const ChangeStamp asked = table_.stamp();
  const NodeId id = look_up("a", file(5));
  table_.attributes_doubted(id);
  EXPECT_EQ(table_.attributes_seen(id, file(5, kLarge + 1), asked, kLater), Seen::taken);
  EXPECT_EQ(table_.state(id)->validated, base::TimePoint::min());
  EXPECT_EQ(see(id, file(5, kLarge + 2)), Seen::taken);
  EXPECT_EQ(table_.state(id)->validated, kLater);
  table_.name_doubted({kRootNode, "b"});
  EXPECT_FALSE(table_.entry_seen({kRootNode, "b"}, file(9), asked, kLater)) << "the folder's names changed";
}

TEST_F(NodeTableTest, ATreeInDoubtIsAllOfIt) {
  const NodeId folder_id = look_up("folder", folder(2));
  const NodeId inside = look_up(folder_id, "a", file(5));
  const NodeId beside = look_up("b", file(6));
  EXPECT_EQ(table_.tree_doubted(folder_id).size(), 2U);
  EXPECT_EQ(table_.state(inside)->validated, base::TimePoint::min());
  EXPECT_EQ(table_.state(beside)->validated, kNow);
  EXPECT_EQ(table_.tree_doubted(kRootNode).size(), 4U);
  EXPECT_EQ(table_.find("folder/a"), inside);
  EXPECT_EQ(table_.find(""), kRootNode);
  EXPECT_FALSE(table_.find("folder/b").has_value());
}

TEST_F(NodeTableTest, AListingFillsWhatIsNotKnownAndNoMore) {
  const ListedAttributes listed{.attributes = file(5), .validated = kNow, .asked = table_.stamp()};
  const auto made = table_.entry_listed({kRootNode, "a"}, listed);
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->validated, kNow);
  table_.check_invariants();
  EXPECT_FALSE(table_.entry_listed({kRootNode, "b"}, listed)) << "another name of a known file";
  see(made->id, file(5, kLarge + 1));
  const auto known = table_.entry_listed({kRootNode, "a"}, listed);
  ASSERT_TRUE(known.has_value());
  EXPECT_EQ(known->attributes.st_size, static_cast<off_t>(kLarge + 1)) << "the table knows better";
  EXPECT_EQ(known->validated, kLater);
  table_.name_added({kRootNode, "d"});
  EXPECT_FALSE(table_.entry_listed({kRootNode, "c"}, listed)) << "made before a change of the folder";
}

TEST_F(UnstableInodesTest, EachNameHasItsOwnNode) {
  const NodeId first = look_up("a", file(5));
  EXPECT_NE(look_up("b", file(5)), first);
  EXPECT_EQ(look_up("a", file(6)), first) << "another inode number tells nothing here";
}

TEST_F(NodeTableTest, ForgottenNodesGoAndTheirNumbersNeverComeBack) {
  const NodeId first = look_up("a", file(5));
  look_up("a", file(5));
  table_.forget(first, 1);
  EXPECT_TRUE(table_.state(first).has_value());
  table_.forget(first, 1);
  EXPECT_FALSE(table_.state(first).has_value());
  EXPECT_EQ(table_.size(), 1U);
  EXPECT_NE(look_up("a", file(5)), first);
}

TEST_F(NodeTableTest, FoldersStayWhileNodesInThemDo) {
  const NodeId outer = look_up("outer", folder(2));
  const NodeId inner = look_up(outer, "inner", folder(3));
  const NodeId leaf = look_up(inner, "leaf", file(4));
  table_.forget(outer, 1);
  table_.forget(inner, 1);
  EXPECT_EQ(path(leaf), "outer/inner/leaf");
  table_.forget(leaf, 1);
  EXPECT_EQ(table_.size(), 1U);
}

TEST_F(NodeTableTest, OpenNodesOutliveTheirLookups) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::read);
  table_.forget(id, 1);
  EXPECT_TRUE(table_.state(id).has_value());
  table_.close(id, OpenKind::read);
  EXPECT_FALSE(table_.state(id).has_value());
}

TEST_F(NodeTableTest, FreshUntilTold) {
  look_up("a", file(5));
  EXPECT_TRUE(table_.fresh_entry({kRootNode, "a"}, kNow - std::chrono::seconds(1)).has_value());
  EXPECT_FALSE(table_.fresh_entry({kRootNode, "a"}, kNow).has_value()) << "a TTL of zero is never fresh";
  EXPECT_TRUE(table_.known_entry({kRootNode, "a"}).has_value());
  EXPECT_FALSE(table_.known_entry({kRootNode, "b"}).has_value());
}

TEST_F(NodeTableTest, ChangesThroughTheMountOutdateEarlierQuestions) {
  const NodeId id = look_up("a", file(5, kSmall, 100));
  const ChangeStamp asked = table_.stamp();
  table_.attributes_changed(id, nullptr, file(5, 2 * kSmall, 200), kNow);
  EXPECT_EQ(table_.attributes_seen(id, file(5, kSmall, 100), asked, kLater), Seen::kept);
  EXPECT_EQ(table_.state(id)->attributes.st_size, static_cast<off_t>(2 * kSmall));
}

TEST_F(NodeTableTest, AChangeOfANameOutdatesEarlierLookupsOfIt) {
  const ChangeStamp asked = table_.stamp();
  table_.name_added({kRootNode, "a"});
  EXPECT_FALSE(table_.entry_seen({kRootNode, "a"}, file(5), asked, kNow).has_value());
  EXPECT_TRUE(table_.entry_seen({kRootNode, "b"}, file(6), asked, kNow).has_value()) << "of another one nothing is new";
  look_up("a", file(5));
  EXPECT_FALSE(table_.name_missing({kRootNode, "a"}, asked));
  EXPECT_TRUE(table_.child({kRootNode, "a"}).has_value());
}

TEST_F(NodeTableTest, ALookupOfBeforeAMoveBringsNoNameBack) {
  const NodeId id = look_up("a", file(5));
  const ChangeStamp asked = table_.stamp();
  table_.name_moved({kRootNode, "a"}, {kRootNode, "b"});
  for (int i = 0; i < 100; ++i) table_.name_added({kRootNode, "another"});
  EXPECT_FALSE(table_.entry_seen({kRootNode, "a"}, file(5), asked, kNow).has_value());
  EXPECT_FALSE(table_.name_missing({kRootNode, "b"}, asked));
  EXPECT_FALSE(table_.child({kRootNode, "a"}).has_value());
  EXPECT_EQ(path(id), "b");
}

TEST_F(NodeTableTest, LookupsOfBeforeATreeWasDoubtedAreOldWhateverTheirName) {
  const ChangeStamp asked = table_.stamp();
  table_.tree_doubted(kRootNode);
  EXPECT_FALSE(table_.entry_seen({kRootNode, "a"}, file(5), asked, kNow).has_value());
  EXPECT_TRUE(table_.entry_seen({kRootNode, "a"}, file(5), table_.stamp(), kNow).has_value());
}

TEST_F(NodeTableTest, MovedFoldersTakeAllBelowAlong) {
  const NodeId outer = look_up("outer", folder(2));
  const NodeId leaf = look_up(outer, "leaf", file(4));
  const NodeId other = look_up("other", folder(3));
  table_.name_moved({kRootNode, "outer"}, {other, "moved"});
  EXPECT_EQ(path(leaf), "other/moved/leaf");
  EXPECT_EQ(table_.child({other, "moved"}), outer);
}

TEST_F(NodeTableTest, MovedOverNodesLoseTheirName) {
  const NodeId moved = look_up("a", file(5));
  const NodeId replaced = look_up("b", file(6));
  table_.name_moved({kRootNode, "a"}, {kRootNode, "b"});
  EXPECT_EQ(path(moved), "b");
  EXPECT_EQ(path(replaced), "(none)");
  EXPECT_FALSE(table_.state(replaced)->has_name);
  EXPECT_EQ(table_.state(replaced)->attributes.st_nlink, 0U);
}

TEST_F(NodeTableTest, AMoveThatWasSeenBeforeItWasToldTakesNothingFromWhatWasMoved) {
  const NodeId moved = look_up("a", file(5));
  look_up("b", file(6));
  ASSERT_EQ(look_up("b", file(5)), moved);
  table_.name_moved({kRootNode, "a"}, {kRootNode, "b"});
  EXPECT_EQ(path(moved), "b");
  EXPECT_FALSE(table_.child({kRootNode, "a"}).has_value());
  EXPECT_GT(table_.state(moved)->attributes.st_nlink, 0U);
  EXPECT_EQ(look_up("c", file(5)), moved) << "its inode's number is known";
}

TEST_F(NodeTableTest, TheKernelIsBehindUntilItIsAnswered) {
  const NodeId id = look_up("a", file(5));
  EXPECT_FALSE(table_.state(id)->kernel_is_behind);
  for (const bool is_by_lookup : {true, false}) {
    table_.note_kernel_behind(id);
    EXPECT_TRUE(table_.state(id)->kernel_is_behind);
    if (is_by_lookup) {
      look_up("a", file(5));
    } else {
      table_.note_kernel_told(id);
    }
    EXPECT_FALSE(table_.state(id)->kernel_is_behind);
  }
}

TEST_F(NodeTableTest, ExchangedNamesChangeNodes) {
  const NodeId inner = look_up("folder", folder(2));
  const NodeId one = look_up(inner, "a", file(5));
  const NodeId other = look_up("b", file(6));
  table_.names_exchanged({inner, "a"}, {kRootNode, "b"});
  EXPECT_EQ(path(one), "b");
  EXPECT_EQ(path(other), "folder/a");
}

TEST_F(NodeTableTest, FolderMovedBehindOurBackFollowsItsInode) {
  const NodeId outer = look_up("outer", folder(2));
  const NodeId leaf = look_up(outer, "leaf", file(4));
  EXPECT_EQ(look_up("elsewhere", folder(2)), outer);
  EXPECT_EQ(path(leaf), "elsewhere/leaf");
  EXPECT_FALSE(table_.child({kRootNode, "outer"}).has_value()) << "a folder has one name";
}

TEST_F(NodeTableTest, FolderSeenInsideItselfMakesNoLoop) {
  const NodeId outer = look_up("outer", folder(2));
  const NodeId inner = look_up(outer, "inner", folder(3));
  const NodeId again = look_up(inner, "again", folder(2));
  EXPECT_NE(again, outer);
  EXPECT_EQ(path(again), "outer/inner/again");
}

TEST_F(NodeTableTest, ReplacedFilesGetANodeOfTheirOwn) {
  const NodeId old = look_up("a", file(5));
  table_.open(old, OpenKind::read);
  EXPECT_EQ(see(old, file(6)), Seen::other_file);
  const NodeId fresh = look_up("a", file(6));
  EXPECT_NE(fresh, old);
  EXPECT_EQ(path(old), "(none)");
  EXPECT_EQ(path(fresh), "a");
}

TEST_F(NodeTableTest, InodeNumberUsedAgainIsAnotherFile) {
  const NodeId gone = look_up("a", file(5));
  EXPECT_TRUE(table_.name_missing({kRootNode, "a"}, table_.stamp()));
  EXPECT_NE(look_up("b", file(5)), gone);
  const NodeId unlinked = look_up("c", file(6));
  table_.name_removed({kRootNode, "c"});
  EXPECT_NE(look_up("d", file(6)), unlinked);
  const NodeId was_file = look_up("e", file(7));
  EXPECT_NE(look_up("f", folder(7)), was_file) << "another type";
}

TEST_F(NodeTableTest, PagesAreKeptWhileTheVersionStays) {
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

TEST_F(NodeTableTest, PagesThatAreStillToBeDroppedAreKeptByNobody) {
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

TEST_F(NodeTableTest, PagesThatAnUnansweredOpenWasToDropAreStillThere) {
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

TEST_F(NodeTableTest, PagesFollowChangesThroughTheMount) {
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

TEST_F(NodeTableTest, PagesAreKeptWhileAWriteIsUnderWay) {
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
  EXPECT_FALSE(table_.open(id, OpenKind::read).keep_pages);
}

TEST_F(NodeTableTest, AWriteUnderWayHidesNoOtherFile) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::write);
  ASSERT_TRUE(table_.begin_data_change(id));
  EXPECT_EQ(see(id, file(6)), Seen::other_file);
  EXPECT_NE(look_up("a", file(6)), id);
  table_.end_data_change(id);
}

TEST_F(NodeTableTest, AttributesThatNobodyKnowsAreTakenDuringAWrite) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::write);
  table_.data_unknown(id);
  ASSERT_TRUE(table_.begin_data_change(id));
  EXPECT_EQ(see(id, file(5, kLarge, 200)), Seen::taken);
  table_.end_data_change(id);
}

TEST_F(NodeTableTest, AWriteUnderTheNewNodeIsOneOfTheOld) {
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
  table_.name_removed({kRootNode, "a"});
  const NodeId other = look_up("b", file(5, kSmall));  // the inode's number came again
  EXPECT_TRUE(table_.served_beside(other).empty());
}

/// Behind our back "a" went, and its inode's number was given to another file. The kernel may still open "a" by its node.
TEST_F(NodeTableTest, AnInodesNumberThatComesAgainIsAnotherFile) {
  const NodeId gone = look_up("a", file(5, kSmall, 100));
  const NodeId other = look_up("b", file(5, kSmall, 200));
  EXPECT_NE(other, gone);
  EXPECT_EQ(path(gone), "(none)");
  EXPECT_EQ(path(other), "b");
}

TEST_F(NodeTableTest, AFileThatWasMovedKeepsItsNode) {
  const NodeId moved = look_up("a", file(5, kSmall));
  EXPECT_EQ(look_up("b", file(5, kSmall)), moved);
}

TEST_F(NodeTableTest, AFileThatGotANameMoreKeepsItsNodeThoughItWasWritten) {
  const NodeId linked = look_up("a", file(5, kSmall, 100));
  origin::Attributes seen = file(5, kSmall, 200);
  seen.st_nlink = 2;
  EXPECT_EQ(look_up("b", seen), linked);
}

/// What was asked of the origin before a write ended has less of it than is known here.
TEST_F(NodeTableTest, AFileThatWasWrittenAndMovedKeepsItsNodeForAnAnswerFromBefore) {
  const NodeId written = look_up("a", file(5, kSmall, 100));
  const ChangeStamp asked = table_.stamp();
  table_.attributes_changed(written, nullptr, file(5, kSmall, 200), kNow);
  const auto entry = table_.entry_seen({kRootNode, "b"}, file(5, kSmall, 100), asked, kNow);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->id, written);
}

TEST_F(NodeTableTest, AFileThatIsWrittenKeepsItsNodeWhereverItIsSeen) {
  const NodeId written = look_up("a", file(5, kSmall, 100));
  table_.open(written, OpenKind::write);
  EXPECT_EQ(look_up("b", file(5, kSmall, 200)), written);
  table_.close(written, OpenKind::write);
}

TEST_F(NodeTableTest, AttributeChangeDoesNotVouchForAVersionNobodySaw) {
  const NodeId id = look_up("a", file(5, kSmall));
  table_.open(id, OpenKind::read);
  table_.close(id, OpenKind::read);
  const origin::Attributes changed_behind = file(5, kSmall, 200);
  table_.attributes_changed(id, &changed_behind, file(5, kSmall, 200), kNow);
  EXPECT_FALSE(table_.open(id, OpenKind::read).keep_pages);
}

TEST_F(NodeTableTest, ChangedBehindOurBackWhileReadIsRetiredOnce) {
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

TEST_F(NodeTableTest, LookupAloneRetiresToo) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::read);
  EXPECT_NE(look_up("a", file(5, kLarge, 200)), id);
  EXPECT_EQ(table_.state(id)->attributes.st_mtim.tv_sec, 100);
}

TEST_F(NodeTableTest, SmallFilesKeepTheirNodeForTheirLocks) {
  const NodeId id = look_up("a", file(5, kSmall));
  table_.open(id, OpenKind::read);
  EXPECT_EQ(look_up("a", file(5, kSmall, 200)), id);
  const OpenDecision decision = table_.open(id, OpenKind::read);
  EXPECT_EQ(decision.answer, OpenDecision::Answer::serve);
  EXPECT_TRUE(decision.bypass_pages) << "the kernel's pages are the other reader's";
}

TEST_F(NodeTableTest, ASmallFileThatGotTheNumberOfOneThatIsReadIsAnotherFile) {
  const NodeId replaced = look_up("a", file(5, kSmall));
  table_.open(replaced, OpenKind::read);
  EXPECT_EQ(look_up("moved", file(5, kSmall)), replaced) << "the same data";
  EXPECT_NE(look_up("new", file(5, kSmall, 200)), replaced);
  EXPECT_EQ(path(replaced), "(none)");
}

TEST_F(NodeTableTest, WritersAreNeverRetired) {
  const NodeId id = look_up("a", file(5));
  table_.open(id, OpenKind::read);
  table_.open(id, OpenKind::write);
  EXPECT_EQ(see(id, file(5, kLarge, 200)), Seen::taken);
  const OpenDecision decision = table_.open(id, OpenKind::read);
  EXPECT_EQ(decision.answer, OpenDecision::Answer::serve);
  EXPECT_TRUE(decision.has_writer);
  EXPECT_EQ(table_.close(id, OpenKind::write), 0U);
}

TEST_F(NodeTableTest, StaysConsistentUnderRandomUse) {
  std::mt19937 random(static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed()));
  const auto roll = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
  std::vector<std::pair<NodeId, unsigned>> known{{kRootNode, 1}};
  for (int step = 0; step < 3000; ++step) {
    const NodeId parent = known[roll(static_cast<unsigned>(known.size()))].first;
    const std::string name(1, static_cast<char>('a' + roll(5)));
    switch (roll(6)) {
      case 0:
      case 1: {
        if (const auto state = table_.state(parent); !state || S_ISREG(state->attributes.st_mode)) break;
        const bool is_folder = roll(2) == 0;
        const auto attributes = is_folder ? folder(100 + roll(10)) : file(2 + roll(10), kLarge, 100 + roll(3));
        const auto entry = table_.entry_seen({parent, name}, attributes, table_.stamp(), kNow);
        if (entry) known.emplace_back(entry->id, 1);
        break;
      }
      case 2:
        table_.name_removed({parent, name});
        break;
      case 3:
        table_.name_missing({parent, name}, table_.stamp());
        break;
      case 4: {
        const std::size_t at = roll(static_cast<unsigned>(known.size()));
        if (at == 0) break;
        table_.forget(known[at].first, known[at].second);
        known.erase(known.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      }
      case 5: {
        const NodeId id = known[roll(static_cast<unsigned>(known.size()))].first;
        if (id == kRootNode) break;
        table_.open(id, OpenKind::read);
        table_.close(id, OpenKind::read);
        break;
      }
      default:
        break;
    }
    table_.check_invariants();
  }
  for (const auto& [id, count] : known) table_.forget(id, count);
  table_.check_invariants();
  EXPECT_EQ(table_.size(), 1U);
}

TEST_F(NodeTableTest, AnAclHoldsUntilTheFileChanges) {
  const NodeId id = look_up("a", file(5));
  EXPECT_FALSE(table_.acl(id).has_value());
  table_.acl_seen(table_.acl_question(id), "rights");
  EXPECT_EQ(table_.acl(id), "rights");
  EXPECT_EQ(see(id, file(5)), Seen::taken);
  EXPECT_EQ(table_.acl(id), "rights");
  EXPECT_EQ(see(id, file(5, kLarge, 101)), Seen::taken);
  EXPECT_FALSE(table_.acl(id).has_value()) << "its change time moved";
  table_.acl_seen(table_.acl_question(id), "");
  EXPECT_EQ(table_.acl(id), "");
  // Through the mount the same moment may have the change.
  const origin::Attributes same = file(5, kLarge, 101);
  table_.attributes_changed(id, &same, same, kLater);
  EXPECT_FALSE(table_.acl(id).has_value());
  table_.acl_seen(table_.acl_question(id), "");
  table_.attributes_unknown(id);
  EXPECT_FALSE(table_.acl(id).has_value());
}

TEST_F(NodeTableTest, AnAclThatWasAskedForBeforeAChangeIsNotTaken) {
  const NodeId id = look_up("a", file(5));
  AclQuestion question = table_.acl_question(id);
  const origin::Attributes same = file(5);
  table_.attributes_changed(id, &same, same, kLater);
  table_.acl_seen(question, "");
  EXPECT_FALSE(table_.acl(id).has_value()) << "through the mount";
  question = table_.acl_question(id);
  EXPECT_EQ(see(id, file(5, kLarge, 101)), Seen::taken);
  table_.acl_seen(question, "");
  EXPECT_FALSE(table_.acl(id).has_value()) << "behind our back";
}

TEST_F(NodeTableTest, TheNodeThatTakesAnothersPlaceHasItsAcl) {
  const NodeId old = look_up("a", file(5));
  table_.acl_seen(table_.acl_question(old), "rights");
  ASSERT_EQ(table_.open(old, OpenKind::read).answer, OpenDecision::Answer::serve);
  EXPECT_EQ(table_.settle({.node = old}).answer, OpenWay::Answer::served);
  ASSERT_EQ(table_.open(old, OpenKind::read).answer, OpenDecision::Answer::serve);
  const Opening resident{.node = old, .offer = cache::BackingKey{7}};
  ASSERT_EQ(table_.settle(resident).answer, OpenWay::Answer::look_up_again);
  const NodeId next = look_up("a", file(5));
  ASSERT_NE(next, old);
  EXPECT_EQ(table_.acl(next), "rights");
  EXPECT_EQ(table_.acl(old), "rights");
}

TEST_F(NodeTableTest, AFileSystemWithoutAclsIsKnownByOneOfItsFiles) {
  const NodeId one = look_up("a", file(5));
  const NodeId other = look_up("b", file(6));
  origin::Attributes elsewhere = file(7);
  elsewhere.st_dev = 8;
  const NodeId foreign = look_up("c", elsewhere);
  table_.acls_unsupported(table_.acl_question(one));
  EXPECT_EQ(table_.acl(other), "");
  EXPECT_TRUE(table_.known_entry({kRootNode, "b"})->has_no_acl);
  EXPECT_FALSE(table_.acl(foreign).has_value());
  table_.acl_seen(table_.acl_question(other), "rights");
  EXPECT_FALSE(table_.acl(one).has_value()) << "mounted anew with them";
}

}  // namespace
}  // namespace arenacache::vfs
