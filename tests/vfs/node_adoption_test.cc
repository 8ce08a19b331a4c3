// SPDX-License-Identifier: Apache-2.0
// NodeTable over the life of two workers: the second one knows by every number what the first one meant.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/handover/area.h"
#include "arenacache/vfs/node_table.h"

namespace arenacache::vfs {
namespace {

origin::Attributes attributes_of(std::uint64_t inode, mode_t type = S_IFREG) {
  origin::Attributes attributes{};
  attributes.st_dev = 7;
  attributes.st_ino = inode;
  attributes.st_mode = type | 0644U;
  attributes.st_nlink = 1;
  attributes.st_size = static_cast<off_t>(inode) * 1'000'000;
  attributes.st_mtim = {.tv_sec = static_cast<time_t>(inode), .tv_nsec = 1};
  return attributes;
}

constexpr cache::BackingKey kBacking{5};

class NodeAdoptionTest : public ::testing::Test {
 protected:
  NodeAdoptionTest() {
    auto file = handover::Area::create();
    AC_CHECK(file.has_value());
    file_ = std::move(*file);
    begin_life();
  }

  void begin_life() {
    auto area = handover::Area::open(base::UniqueFd(::dup(file_.get())));
    AC_CHECK(area.has_value());
    area_ = std::move(*area);
    nodes_ = std::make_unique<NodeTable>(fidelity(), &area_->records());
  }

  /// Another worker takes over; `opens` are the handles there are, `unanswered` the requests.
  void next_life(const std::vector<NodeTable::AdoptedOpen>& opens = {},
                 const std::set<std::uint64_t>& unanswered = {}) {
    nodes_.reset();
    area_.reset();
    begin_life();
    nodes_->adopt(area_->records().take_stock(), unanswered);
    for (const auto& open : opens) EXPECT_TRUE(nodes_->adopt_open(open));
    nodes_->end_adoption();
    nodes_->check_invariants();
  }

  static origin::Fidelity fidelity() {
    origin::Fidelity fidelity;
    fidelity.stable_inodes = true;
    fidelity.has_ctime = true;
    return fidelity;
  }

  NodeId see(NodeId parent, const std::string& name, const origin::Attributes& attributes) {
    const auto entry = nodes_->entry_seen({parent, name}, attributes, nodes_->stamp(), now_);
    AC_CHECK(entry.has_value());
    return entry->id;
  }

  base::UniqueFd file_;
  std::unique_ptr<handover::Area> area_;
  std::unique_ptr<NodeTable> nodes_;
  base::TimePoint now_ = base::SystemClock().now();
};

TEST_F(NodeAdoptionTest, NumbersAndPathsMeanTheSame) {
  const NodeId folder = see(kRootNode, "folder", attributes_of(10, S_IFDIR));
  const NodeId file = see(folder, "file", attributes_of(11));
  next_life();
  EXPECT_EQ(nodes_->path(file)->path, "folder/file");
  EXPECT_EQ(nodes_->child({kRootNode, "folder"}), folder);
  EXPECT_EQ(nodes_->state(file)->validated, base::TimePoint::min()) << "it may have changed: the source is asked";
  EXPECT_EQ(see(folder, "file", attributes_of(11)), file) << "seen again it is the same node";
  EXPECT_EQ(see(folder, "link", attributes_of(11)), file) << "by another name too";
  EXPECT_GT(see(folder, "new", attributes_of(12)), file) << "no number is used twice";
}

TEST_F(NodeAdoptionTest, AFolderWithoutANameLeavesItsInodeToAnother) {
  const NodeId gone = see(kRootNode, "gone", attributes_of(10, S_IFDIR));
  nodes_.reset();
  area_.reset();
  begin_life();
  auto stock = area_->records().take_stock();
  ASSERT_EQ(stock.links.size(), 1U);
  area_->records().remove(stock.links.front().first);  // as far as its worker came when it was killed
  stock.links.clear();
  nodes_->adopt(stock);
  nodes_->end_adoption();
  nodes_->check_invariants();
  EXPECT_NE(see(kRootNode, "new", attributes_of(10, S_IFDIR)), gone);
}

/// Of a file with nothing in it that is 0.
origin::Attributes whole_attributes(std::uint64_t inode) {
  auto attributes = attributes_of(inode);
  attributes.st_mode = S_IFREG | 0604U;
  attributes.st_nlink = 3;
  attributes.st_uid = 1000;
  attributes.st_gid = 100;
  attributes.st_rdev = 5;
  attributes.st_blksize = 4096;
  attributes.st_blocks = 77;
  attributes.st_atim = {.tv_sec = 11, .tv_nsec = 12};
  attributes.st_ctim = {.tv_sec = 13, .tv_nsec = 14};
  return attributes;
}

TEST_F(NodeAdoptionTest, AttributesAreKnownBeforeTheSourceIsAsked) {
  const auto truth = whole_attributes(11);
  const NodeId file = see(kRootNode, "file", truth);
  auto top = attributes_of(1, S_IFDIR);
  static_cast<void>(nodes_->attributes_seen(kRootNode, top, nodes_->stamp(), now_));
  next_life();
  const auto entry = nodes_->known_entry({kRootNode, "file"});
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->id, file);
  EXPECT_EQ(std::memcmp(&entry->attributes, &truth, sizeof truth), 0);
  EXPECT_FALSE(nodes_->fresh_entry({kRootNode, "file"}, base::TimePoint::min())) << "but not believed";
  EXPECT_TRUE(nodes_->state(kRootNode)->has_attributes);
  EXPECT_EQ(nodes_->state(kRootNode)->attributes.st_mode, top.st_mode);
}

TEST_F(NodeAdoptionTest, ThePagesOfTheKernelAreKnown) {
  const NodeId unread = see(kRootNode, "unread", attributes_of(10));
  const NodeId read = see(kRootNode, "read", attributes_of(11));
  const NodeId changed = see(kRootNode, "changed", attributes_of(12));
  for (const NodeId id : {read, changed}) {
    nodes_->open(id, OpenKind::read);
    nodes_->close(id, OpenKind::read);
  }
  auto other = attributes_of(12);
  other.st_mtim.tv_sec += 1;
  static_cast<void>(nodes_->attributes_seen(changed, other, nodes_->stamp(), now_));
  next_life();
  EXPECT_TRUE(nodes_->open(unread, OpenKind::read).keep_pages);
  EXPECT_TRUE(nodes_->open(read, OpenKind::read).keep_pages);
  EXPECT_FALSE(nodes_->open(changed, OpenKind::read).keep_pages);
}

TEST_F(NodeAdoptionTest, PagesFollowAWriteIntoTheNextLife) {
  const NodeId file = see(kRootNode, "file", attributes_of(11));
  nodes_->open(file, OpenKind::read);
  auto written = attributes_of(11);
  written.st_mtim.tv_sec += 1;
  nodes_->attributes_changed(file, nullptr, written, now_);
  nodes_->close(file, OpenKind::read);
  next_life();
  EXPECT_TRUE(nodes_->open(file, OpenKind::read).keep_pages);
}

TEST_F(NodeAdoptionTest, PagesOfAWriterThatDiedOverItsNewsAreDropped) {
  const NodeId file = see(kRootNode, "file", attributes_of(11));
  nodes_->open(file, OpenKind::read);
  nodes_->data_unknown(file);
  nodes_->close(file, OpenKind::read);
  next_life();
  see(kRootNode, "file", attributes_of(11));
  EXPECT_FALSE(nodes_->open(file, OpenKind::read).keep_pages);
  nodes_->pages_dropped(file);
  EXPECT_TRUE(nodes_->open(file, OpenKind::read).keep_pages);
}

TEST_F(NodeAdoptionTest, AnOpenerThatDidNotRunYetKeepsOthersFromThePagesItDrops) {
  const NodeId file = see(kRootNode, "file", attributes_of(11));
  next_life({{.node = file, .kind = OpenKind::read, .version = {}, .drops_pages = true}});
  EXPECT_FALSE(nodes_->open(file, OpenKind::read).keep_pages);
  nodes_->pages_dropped(file);
  nodes_->pages_dropped(file);
  EXPECT_TRUE(nodes_->open(file, OpenKind::read).keep_pages);
}

TEST_F(NodeAdoptionTest, PagesThatAnOpenWasToDropWhichDiedWithItsWorkerAreStillThere) {
  const NodeId file = see(kRootNode, "file", attributes_of(11));
  nodes_->open(file, OpenKind::read);
  nodes_->close(file, OpenKind::read);
  origin::Attributes changed = attributes_of(11);
  changed.st_mtim.tv_sec += 1;
  see(kRootNode, "file", changed);
  ASSERT_TRUE(nodes_->open(file, OpenKind::read).drops_pages);
  next_life();
  EXPECT_TRUE(nodes_->open(file, OpenKind::read).drops_pages);
  nodes_->pages_dropped(file);
  nodes_->close(file, OpenKind::read);
  next_life();
  EXPECT_TRUE(nodes_->open(file, OpenKind::read).keep_pages);
}

TEST_F(NodeAdoptionTest, AttributesAreThoseOfTheLastChange) {
  const NodeId file = see(kRootNode, "file", whole_attributes(11));
  const auto before = whole_attributes(11);
  auto after = before;
  after.st_mode = S_IFREG | 0600U;
  after.st_uid = 0;
  nodes_->attributes_changed(file, &before, after, now_);
  next_life();
  EXPECT_EQ(nodes_->state(file)->attributes.st_mode, after.st_mode);
  EXPECT_EQ(nodes_->state(file)->attributes.st_uid, 0U);
}

TEST_F(NodeAdoptionTest, AFileThatLosesANameIsStillTheOneOfItsOtherNames) {
  const NodeId file = see(kRootNode, "file", whole_attributes(11));
  see(kRootNode, "second", whole_attributes(11));
  next_life();
  nodes_->name_removed({kRootNode, "file"});
  EXPECT_EQ(nodes_->state(file)->attributes.st_nlink, 2U);
  next_life();
  EXPECT_EQ(nodes_->state(file)->attributes.st_nlink, 2U);
  nodes_->name_removed({kRootNode, "second"});
  EXPECT_EQ(see(kRootNode, "third", whole_attributes(11)), file);
}

TEST_F(NodeAdoptionTest, AfterItsLastNameAnInodeNumberIsAnotherFiles) {
  // The worker died right after it had taken the name away.
  area_->records().add(handover::NodeRecord{.node = 5,
                                            .lookups = 1,
                                            .attributes = CompactAttributes(attributes_of(11)).recorded(),
                                            .has_attributes = true,
                                            .is_indexed = true});
  next_life({{.node = NodeId{5}, .kind = OpenKind::read, .version = {}}});
  EXPECT_NE(see(kRootNode, "new", attributes_of(11)), NodeId{5});
}

TEST_F(NodeAdoptionTest, AttributesThatAWorkerDiedOverAreAsked) {
  const auto recorded = CompactAttributes(attributes_of(11)).recorded();
  area_->records().add(handover::NodeRecord{.node = 5, .lookups = 1, .attributes = recorded, .is_indexed = true});
  area_->records().add(handover::LinkRecord{.node = 5, .parent = 1, .name = "file"});
  next_life();
  EXPECT_FALSE(nodes_->is_known({kRootNode, "file"}));
  EXPECT_FALSE(nodes_->known_entry({kRootNode, "file"}));
  const ListedAttributes listed{.attributes = attributes_of(11), .validated = now_, .asked = nodes_->stamp()};
  EXPECT_FALSE(nodes_->entry_listed({kRootNode, "file"}, listed)) << "mode 0, owner 0 would be told";
  EXPECT_EQ(see(kRootNode, "file", attributes_of(11)), NodeId{5});
  EXPECT_TRUE(nodes_->known_entry({kRootNode, "file"}));
}

TEST_F(NodeAdoptionTest, WhatAChangeHereLeftIsKnownAsThat) {
  const NodeId file = see(kRootNode, "file", attributes_of(11));
  EXPECT_FALSE(nodes_->state(file)->is_written_here);
  ASSERT_TRUE(nodes_->begin_data_change(file));
  auto written = attributes_of(11);
  written.st_size = 0;
  written.st_mtim.tv_sec += 1;
  nodes_->attributes_changed(file, nullptr, written, now_);
  nodes_->end_data_change(file);
  EXPECT_TRUE(nodes_->state(file)->is_written_here);
  next_life();
  EXPECT_TRUE(nodes_->state(file)->is_written_here);
  ASSERT_EQ(see(kRootNode, "file", written), file);
  next_life();
  EXPECT_TRUE(nodes_->state(file)->is_written_here) << "seen once more it is the same";
  ASSERT_EQ(see(kRootNode, "file", attributes_of(11)), file);
  EXPECT_FALSE(nodes_->state(file)->is_written_here) << "changed behind our back";
  next_life();
  EXPECT_FALSE(nodes_->state(file)->is_written_here);
}

TEST_F(NodeAdoptionTest, AListingThatIsNewerMakesThemFresh) {
  see(kRootNode, "file", attributes_of(11));
  next_life();
  const ListedAttributes listed{.attributes = attributes_of(11), .validated = now_, .asked = nodes_->stamp()};
  const auto entry = nodes_->entry_listed({kRootNode, "file"}, listed);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->validated, now_);
}

TEST_F(NodeAdoptionTest, WhatTheKernelForgotIsGoneAndItsNumberIsNot) {
  const NodeId file = see(kRootNode, "file", attributes_of(11));
  see(kRootNode, "file", attributes_of(11));
  nodes_->forget(file, 1);
  next_life();
  ASSERT_TRUE(nodes_->state(file).has_value());
  nodes_->forget(file, 1);
  EXPECT_FALSE(nodes_->state(file).has_value());
  next_life();
  EXPECT_EQ(nodes_->size(), 1U) << "the root";
  EXPECT_GT(see(kRootNode, "file", attributes_of(11)), file);
}

TEST_F(NodeAdoptionTest, AnotherFileUnderTheNameIsAnotherNode) {
  const NodeId file = see(kRootNode, "file", attributes_of(11));
  next_life();
  EXPECT_EQ(nodes_->attributes_seen(file, attributes_of(99), nodes_->stamp(), now_), Seen::other_file);
  EXPECT_NE(see(kRootNode, "file", attributes_of(99)), file);
}

TEST_F(NodeAdoptionTest, AChangeMeanwhileRetiresANodeThatIsRead) {
  const NodeId file = see(kRootNode, "file", attributes_of(11));
  const origin::Version version = CompactAttributes(attributes_of(11)).version();
  next_life({{.node = file, .kind = OpenKind::read, .version = version}});
  EXPECT_EQ(nodes_->state(file)->readers, 1U);
  auto changed = attributes_of(11);
  changed.st_size += 5;
  EXPECT_NE(see(kRootNode, "file", changed), file);
  EXPECT_EQ(nodes_->close(file, OpenKind::read), 0U);
}

TEST_F(NodeAdoptionTest, WhoFollowsTheWritersOfAFileIsToldOfThemUnderItsNextNode) {
  const NodeId file = see(kRootNode, "file", attributes_of(10));
  nodes_->open(file, OpenKind::read);
  const NodeTable::AdoptedOpen keeper{.node = file, .kind = OpenKind::read, .version = {}};  // of the version
  next_life({{.node = file, .kind = OpenKind::read, .follows = true}, keeper});
  auto written = attributes_of(10);  // by the worker that died before it had noted that
  written.st_mtim.tv_sec += 1;
  const NodeId next = see(kRootNode, "file", written);
  ASSERT_NE(next, file);
  EXPECT_EQ(nodes_->served_beside(next), std::vector{file});
  next_life({{.node = file, .kind = OpenKind::read, .follows = true}});
  EXPECT_EQ(nodes_->served_beside(next), std::vector{file}) << "the next worker knows it too";
}

TEST_F(NodeAdoptionTest, ANodeThatNobodyHasOpenBecomesTheFileThatTookItsName) {
  const NodeId file = see(kRootNode, "file", attributes_of(10));
  EXPECT_FALSE(nodes_->becomes(file, attributes_of(11), now_)) << "it has its name";
  EXPECT_EQ(nodes_->lost_path(file), std::nullopt);
  const NodeId other = see(kRootNode, "file", attributes_of(11));
  EXPECT_EQ(nodes_->lost_path(file), "file");
  next_life({});
  EXPECT_EQ(nodes_->lost_path(file), "file") << "the next worker knows it too";
  nodes_->open(file, OpenKind::read);
  EXPECT_FALSE(nodes_->becomes(file, attributes_of(11), now_)) << "somebody has the one before open";
  nodes_->close(file, OpenKind::read);
  ASSERT_TRUE(nodes_->becomes(file, attributes_of(11), now_));
  EXPECT_EQ(nodes_->state(file)->attributes.st_size, attributes_of(11).st_size);
  EXPECT_EQ(nodes_->child({kRootNode, "file"}), other);
  nodes_->check_invariants();
  EXPECT_TRUE(nodes_->open(file, OpenKind::read).drops_pages) << "those of the file that it was";
  next_life({{.node = file, .kind = OpenKind::read}});
  EXPECT_EQ(nodes_->state(file)->attributes.st_ino, 11U);
  EXPECT_EQ(see(kRootNode, "file", attributes_of(11)), other);
}

TEST_F(NodeAdoptionTest, AnOpenNodeWithoutNamesStays) {
  const NodeId file = see(kRootNode, "file", attributes_of(11));
  nodes_->name_removed({kRootNode, "file"});
  next_life({{.node = file, .kind = OpenKind::write, .version = {}}});
  nodes_->forget(file, 1);
  EXPECT_FALSE(nodes_->state(file)->has_name);
  nodes_->close(file, OpenKind::write);
  EXPECT_FALSE(nodes_->state(file).has_value());
}

TEST_F(NodeAdoptionTest, OpensOfOneNodeGoOnByTheSameFile) {
  const NodeId file = see(kRootNode, "file", attributes_of(11));
  const origin::Version version = CompactAttributes(attributes_of(11)).version();
  next_life({{.node = file, .kind = OpenKind::read, .version = version, .backing = cache::BackingKey{5}}});
  static_cast<void>(nodes_->attributes_seen(file, attributes_of(11), nodes_->stamp(), now_));
  const OpenDecision decision = nodes_->open(file, OpenKind::read, 1);
  const OpenWay way =
      nodes_->settle({.node = file, .thread = 1, .version = decision.version, .offer = cache::BackingKey{5}});
  EXPECT_EQ(way.answer, OpenWay::Answer::backed);
  EXPECT_EQ(way.backing, cache::BackingKey{5});
}

TEST_F(NodeAdoptionTest, WhoWasSentAwayIsNotSentAwayAgain) {
  nodes_->note_sent_away(4711, OpenKind::read, 1);
  next_life();
  EXPECT_TRUE(nodes_->was_sent_away(4711));
}

TEST_F(NodeAdoptionTest, WhoWasSentAwayIsKnownUntilTheAnswerIsOut) {
  constexpr std::uint64_t kFirst = 70, kSecond = 72;
  nodes_->note_sent_away(4711, OpenKind::read, kFirst);
  nodes_->note_sent_away(4711, OpenKind::read, kSecond);
  nodes_->end_sent_away(4711, kSecond);
  EXPECT_FALSE(nodes_->was_sent_away(4711)) << "its next open is another one";
  next_life({}, {kSecond});
  EXPECT_TRUE(nodes_->was_sent_away(4711)) << "the answer did not get out";
  next_life({}, {kSecond});
  EXPECT_TRUE(nodes_->was_sent_away(4711));
  nodes_->end_sent_away(4711, kSecond);
  next_life();
  EXPECT_FALSE(nodes_->was_sent_away(4711));
}

TEST_F(NodeAdoptionTest, WhoWasNotToldToComeAgainIsNotWaitedFor) {
  constexpr std::uint64_t kRequest = 70;
  EXPECT_TRUE(nodes_->send_away(4711, OpenKind::read));
  nodes_->note_sent_away(4711, OpenKind::read, kRequest);
  next_life({}, {kRequest});
  EXPECT_FALSE(nodes_->was_sent_away(4711));
}

TEST_F(NodeAdoptionTest, ANodeIsKeptForTheWriterThatWasSentAway) {
  const Name name{kRootNode, "file"};
  const NodeId file = see(kRootNode, "file", attributes_of(11));
  nodes_->note_sent_away(4711, OpenKind::write, 1);
  EXPECT_EQ(nodes_->keep_for_writer(name, *nodes_->known_entry(name), 4711).id, file);
  next_life();
  const Opening reader{
      .node = file, .thread = 1, .version = nodes_->open(file, OpenKind::read).version, .offer = kBacking};
  EXPECT_EQ(nodes_->settle(reader).answer, OpenWay::Answer::served);
  nodes_->end_sent_away(4711, 2);
  nodes_->close(file, OpenKind::read);
  next_life();
  static_cast<void>(nodes_->open(file, OpenKind::read));
  EXPECT_EQ(nodes_->settle(reader).answer, OpenWay::Answer::backed);
}

/// Of a file that is read by the node `open`, and known by another one.
struct TwoNodes {
  NodeId open{}, named{};
};

TwoNodes two_nodes(NodeTable& nodes, NodeId open) {
  static_cast<void>(nodes.open(open, OpenKind::read));
  static_cast<void>(nodes.settle({.node = open, .thread = 1, .version = {}}));
  static_cast<void>(nodes.open(open, OpenKind::read));
  EXPECT_EQ(nodes.settle({.node = open, .thread = 2, .version = {}, .offer = kBacking}).answer,
            OpenWay::Answer::look_up_again);
  return {.open = open, .named = nodes.known_entry({kRootNode, "file"})->id};
}

TEST_F(NodeAdoptionTest, WhatIsOpenHasItsNameBackWhenTheNodeThatHadItIsForgotten) {
  const TwoNodes two = two_nodes(*nodes_, see(kRootNode, "file", attributes_of(11)));
  ASSERT_NE(two.open, two.named);
  const NodeTable::AdoptedOpen open{.node = two.open, .kind = OpenKind::read, .version = {}};
  next_life({open});
  EXPECT_FALSE(nodes_->path(two.open));
  nodes_->forget(two.named, 1);
  next_life({open});
  ASSERT_TRUE(nodes_->path(two.open));
  EXPECT_EQ(nodes_->path(two.open)->path, "file");
}

TEST_F(NodeAdoptionTest, WhatHasItsNameBackIsToldOfWhatIsWrittenUnderItsNextNode) {
  const TwoNodes two = two_nodes(*nodes_, see(kRootNode, "file", attributes_of(11)));
  nodes_->forget(two.named, 1);
  ASSERT_TRUE(nodes_->path(two.open));
  const NodeTable::AdoptedOpen keeper{.node = two.open, .kind = OpenKind::read, .version = {}};  // of the version
  next_life({{.node = two.open, .kind = OpenKind::read, .version = {}, .follows = true}, keeper});
  origin::Attributes written = attributes_of(11);
  ++written.st_size;
  ASSERT_TRUE(nodes_->path(two.open));
  const NodeId next = see(kRootNode, "file", written);
  ASSERT_NE(next, two.open);
  EXPECT_EQ(nodes_->served_beside(next), std::vector{two.open});
  nodes_->forget(next, 1);  // as the kernel does before it asks again for a name that it knew
  EXPECT_EQ(nodes_->served_beside(see(kRootNode, "file", written)), std::vector{two.open});
}

TEST_F(NodeAdoptionTest, WhoOnlyFollowsNeedsNoNodeOfItsOwnWhenTheFileChanged) {
  origin::Attributes before = attributes_of(11), after = before;
  before.st_size = static_cast<off_t>(kLargestUnretiredFile) + 1;
  const NodeId file = see(kRootNode, "file", before);
  const NodeTable::AdoptedOpen follower{.node = file, .kind = OpenKind::read, .version = {}, .follows = true};
  next_life({follower});
  EXPECT_EQ(see(kRootNode, "file", after), file);
  EXPECT_EQ(see(kRootNode, "file", before), file);
  next_life({follower, {.node = file, .kind = OpenKind::read, .version = {}}});
  EXPECT_NE(see(kRootNode, "file", after), file) << "somebody else reads one version";
}

TEST_F(NodeAdoptionTest, WhatIsWrittenUnderAnOlderNodeIsToldToWhoReadsTheNextOne) {
  const TwoNodes two = two_nodes(*nodes_, see(kRootNode, "file", attributes_of(11)));
  EXPECT_TRUE(nodes_->served_beside(two.open).empty()) << "nobody reads it";
  static_cast<void>(nodes_->open(two.named, OpenKind::read));
  static_cast<void>(nodes_->settle({.node = two.named, .thread = 1, .version = {}}));
  EXPECT_EQ(nodes_->served_beside(two.open), std::vector{two.named});
  EXPECT_EQ(nodes_->served_beside(two.named), std::vector{two.open});
}

TEST_F(NodeAdoptionTest, WhatIsOpenHasItsNameBackWhenNobodyWasToldOfTheNodeThatHadIt) {
  const TwoNodes two = two_nodes(*nodes_, see(kRootNode, "file", attributes_of(11)));
  for (const auto& [id, record] : area_->records().take_stock().nodes) {
    if (record.node == std::to_underlying(two.named)) area_->records().set_lookups(id, 0);
  }
  next_life({{.node = two.open, .kind = OpenKind::read, .version = {}}});
  EXPECT_FALSE(nodes_->state(two.named));
  ASSERT_TRUE(nodes_->path(two.open));
  EXPECT_EQ(nodes_->path(two.open)->path, "file");
}

TEST_F(NodeAdoptionTest, WhoseInodeIsGoneIsNotFoundByItsNumber) {
  const TwoNodes two = two_nodes(*nodes_, see(kRootNode, "file", attributes_of(11)));
  const NodeTable::AdoptedOpen open{.node = two.open, .kind = OpenKind::read, .version = {}};
  next_life({open});
  EXPECT_EQ(nodes_->path_of_twin(two.open, {}), "file");
  nodes_->name_removed({kRootNode, "file"});
  ASSERT_NE(see(kRootNode, "other", attributes_of(11)), two.open);
  next_life({open});
  EXPECT_FALSE(nodes_->path_of_twin(two.open, {}));
}

handover::NodeRecord record_of(std::uint64_t node, mode_t type, std::uint64_t lookups = 1) {
  return {.node = node,
          .lookups = lookups,
          .attributes = {.device = 7, .inode = 100 + node, .mode = type},
          .has_attributes = true,
          .is_indexed = true};
}

TEST_F(NodeAdoptionTest, NumbersThatNobodyGaveAreDropped) {
  area_->records().set_next_node(~std::uint64_t{0});
  area_->records().add(record_of(~std::uint64_t{0}, S_IFREG));
  area_->records().add(record_of(~std::uint64_t{0} - 1, S_IFREG));
  area_->records().add(record_of(5, S_IFREG));
  next_life();
  EXPECT_EQ(nodes_->size(), 2U);
  EXPECT_EQ(see(kRootNode, "first", attributes_of(11)), NodeId{6});
  EXPECT_EQ(see(kRootNode, "second", attributes_of(12)), NodeId{7});
}

TEST_F(NodeAdoptionTest, NamesThatAreNoneAndFilesWithNamesInThemAreDropped) {
  area_->records().add(record_of(5, S_IFREG));
  area_->records().add(record_of(6, S_IFREG));
  for (const std::string& name : {std::string("."), std::string(".."), std::string("a/b"), std::string("a\0b", 3)}) {
    area_->records().add(handover::LinkRecord{.node = 5, .parent = 1, .name = name});
  }
  area_->records().add(handover::LinkRecord{.node = 6, .parent = 5, .name = "in a file"});
  next_life();
  EXPECT_FALSE(nodes_->state(NodeId{5})->has_name);
  EXPECT_FALSE(nodes_->state(NodeId{6})->has_name);
}

TEST_F(NodeAdoptionTest, ACountOfReferencesNeverWrapsToNone) {
  area_->records().add(record_of(5, S_IFDIR, ~std::uint64_t{0}));
  area_->records().add(handover::LinkRecord{.node = 5, .parent = 1, .name = "folder"});
  next_life();
  ASSERT_EQ(see(kRootNode, "folder", attributes_of(105, S_IFDIR)), NodeId{5});
  nodes_->forget(see(NodeId{5}, "file", attributes_of(11)), 1);
  EXPECT_TRUE(nodes_->state(NodeId{5}).has_value());
}

TEST_F(NodeAdoptionTest, FoldersInARingAreTakenApart) {
  area_->records().add(record_of(5, S_IFDIR));
  area_->records().add(record_of(6, S_IFDIR));
  area_->records().add(handover::LinkRecord{.node = 5, .parent = 1, .name = "one"});
  area_->records().add(handover::LinkRecord{.node = 6, .parent = 5, .name = "other"});
  area_->records().add(handover::LinkRecord{.node = 6, .parent = 1, .name = "other"});
  area_->records().add(handover::LinkRecord{.node = 5, .parent = 6, .name = "one"});
  next_life();
  nodes_->forget(NodeId{5}, 1);
  nodes_->forget(NodeId{6}, 1);
  EXPECT_EQ(nodes_->size(), 1U) << "neither holds the other";
}

TEST_F(NodeAdoptionTest, WhateverHappenedTheNextWorkerHasTheSameTree) {
  std::mt19937 random(3);
  const auto below = [&random](unsigned limit) { return random() % limit; };
  std::vector<NodeId> folders{kRootNode};
  for (std::uint64_t i = 0; i < 8; ++i)
    folders.push_back(see(kRootNode, base::text("d", i), attributes_of(100 + i, S_IFDIR)));
  std::vector<NodeId> files;
  for (int round = 0; round < 3000; ++round) {
    const std::string name = base::text("f", below(40));
    const std::string other = base::text("f", below(40));
    const NodeId folder = folders[below(9)];
    switch (below(6)) {
      case 0:
      case 1:
        files.push_back(see(folder, name, attributes_of(1000 + below(60))));
        break;
      case 2:
        nodes_->name_removed({folder, name});
        break;
      case 3:
        nodes_->name_moved({folder, name}, {folders[below(9)], other});
        break;
      case 4:
        nodes_->names_exchanged({folder, name}, {folder, other});
        break;
      default:
        if (!files.empty()) nodes_->forget(files[below(static_cast<unsigned>(files.size()))], 1);
    }
    if (round % 100 != 0) continue;
    std::vector<std::pair<NodeId, std::string>> before;
    for (const NodeId id : files) {
      if (const auto path = nodes_->path(id)) before.emplace_back(id, path->path);
    }
    const std::size_t size = nodes_->size();
    next_life();
    EXPECT_EQ(nodes_->size(), size);
    for (const auto& [id, path] : before) EXPECT_EQ(nodes_->find(path), id) << path;
  }
}

}  // namespace
}  // namespace arenacache::vfs
