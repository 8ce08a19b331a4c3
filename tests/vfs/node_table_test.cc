// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/node_table.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "node_table_fixture.h"

namespace arenacache::vfs {
namespace {

using namespace node_table;

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
