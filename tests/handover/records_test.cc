// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>

#include "area_fixture.h"

namespace arenacache::handover {
namespace {

class RecordsTest : public AreaTest {
 protected:
  [[nodiscard]] Records& records() const { return area_->records(); }

  /// No two numbers of it are equal.
  static NodeAttributes known() {
    return {.device = 1,
            .inode = 99,
            .size = 5000,
            .blocks = 16,
            .access_ns = -5,
            .modify_ns = -6,
            .change_ns = 7,
            .mode = S_IFREG | 0604,
            .link_count = 2,
            .user = 1000,
            .group = 100,
            .block_size = 4096,
            .special_device = 3};
  }
  static bool are_equal(const NodeAttributes& a, const NodeAttributes& b) {
    static_assert(sizeof(NodeAttributes) == 7 * sizeof(std::uint64_t) + 6 * sizeof(std::uint32_t), "no padding");
    return std::memcmp(&a, &b, sizeof a) == 0;
  }
};

TEST_F(RecordsTest, WhatWasWrittenIsFoundByTheNextWorker) {
  const RecordId node_id = records().add(NodeRecord{.node = 7, .lookups = 2, .attributes = {.inode = 98}});
  records().set_lookups(node_id, 3);
  records().set_indexed(node_id, true);
  records().set_attributes(node_id, known(), KernelPages::none);
  records().set_pages(node_id, KernelPages::current);
  records().set_written_here(node_id);
  const HandleRecord handle{.handle = 4,
                            .node = 7,
                            .opened_by = 1234,
                            .size = 5000,
                            .mtime_ns = 1,
                            .ctime_ns = 2,
                            .inode = 99,
                            .backing_key = 17,
                            .backing_id = 3,
                            .uid = 1000,
                            .gid = 100,
                            .access = O_RDWR,
                            .kind = HandleKind::writing,
                            .bypasses_pages = true,
                            .drops_pages = true};
  records().set_follows(records().add(handle));
  records().set_next_node(8);
  next_worker();
  const auto left = records().take_stock();
  ASSERT_EQ(left.nodes.size(), 1U);
  const NodeRecord& found = left.nodes[0].second;
  EXPECT_EQ(found.node, 7U);
  EXPECT_EQ(found.lookups, 3U);
  EXPECT_TRUE(found.is_indexed);
  EXPECT_TRUE(found.has_attributes);
  EXPECT_EQ(found.pages, KernelPages::current);
  EXPECT_TRUE(found.is_written_here);
  EXPECT_TRUE(are_equal(found.attributes, known()));
  ASSERT_EQ(left.handles.size(), 1U);
  const HandleRecord& open = left.handles[0].second;
  EXPECT_EQ(open.handle, 4U);
  EXPECT_EQ(open.node, 7U);
  EXPECT_EQ(open.opened_by, 1234U);
  EXPECT_EQ(open.size, 5000U);
  EXPECT_EQ(open.mtime_ns, 1);
  EXPECT_EQ(open.ctime_ns, 2);
  EXPECT_EQ(open.inode, 99U);
  EXPECT_EQ(open.backing_key, 17U);
  EXPECT_EQ(open.backing_id, 3);
  EXPECT_EQ(open.uid, 1000U);
  EXPECT_EQ(open.gid, 100U);
  EXPECT_EQ(open.access, O_RDWR);
  EXPECT_EQ(open.kind, HandleKind::writing);
  EXPECT_TRUE(open.bypasses_pages);
  EXPECT_TRUE(open.follows);
  EXPECT_TRUE(open.drops_pages);
  EXPECT_FALSE(open.gives_back);
  records().clear_drops_pages(left.handles[0].first);
  records().set_gives_back(left.handles[0].first);
  next_worker();
  const auto again = records().take_stock();
  EXPECT_FALSE(again.handles.at(0).second.drops_pages);
  EXPECT_TRUE(again.handles.at(0).second.gives_back);
  EXPECT_EQ(again.handles.at(0).second.backing_id, 3);
  EXPECT_EQ(records().next_node(), 8U);
}

TEST_F(RecordsTest, TheTopFolderHasARecordOfItsOwn) {
  EXPECT_FALSE(records().root().has_value());
  records().set_attributes(kRootRecord, known(), KernelPages::none);
  records().add_link(2, 1, "name");
  next_worker();
  const auto left = records().take_stock();
  EXPECT_TRUE(left.nodes.empty());
  EXPECT_EQ(left.links.size(), 1U);
  ASSERT_TRUE(records().root().has_value());
  EXPECT_TRUE(are_equal(*records().root(), known()));
}

TEST_F(RecordsTest, AttributesAreOfOneMomentWheneverTheWriterDies) {
  const RecordId id = records().add(NodeRecord{.node = 7, .attributes = known()});
  unsigned whole = 0;
  for (int kill = 0; kill < 200; ++kill) {
    std::array<int, 2> begun{};
    ASSERT_EQ(::pipe2(begun.data(), O_CLOEXEC), 0);
    const pid_t writer = ::fork();
    if (writer == 0) {
      // The area is not inherited: mapped anew, as another worker would.
      const auto area = map();
      NodeAttributes secret = known();
      secret.mode = S_IFREG | 0600;
      secret.user = 0;
      secret.modify_ns = 1;
      for (bool is_begun = false;; is_begun = true) {
        area->records().set_attributes(id, known(), KernelPages::current);
        area->records().set_attributes(id, secret, KernelPages::current);
        if (!is_begun && ::write(begun[1], "b", 1) != 1) ::_exit(1);
      }
    }
    char word = 0;
    EXPECT_EQ(::read(begun[0], &word, 1), 1);
    for (int i = 0; i < kill; ++i) static_cast<void>(::getppid());  // another moment each time
    ::kill(writer, SIGKILL);
    ::waitpid(writer, nullptr, 0);
    for (const int end : begun) ::close(end);
    next_worker();
    const auto left = records().take_stock();
    ASSERT_EQ(left.nodes.size(), 1U);
    const NodeRecord& found = left.nodes[0].second;
    if (!found.has_attributes) continue;
    ++whole;
    EXPECT_EQ(found.attributes.user == 0, found.attributes.modify_ns == 1);
    EXPECT_EQ(found.attributes.user == 0, found.attributes.mode == (S_IFREG | 0600));
  }
  EXPECT_GT(whole, 0U);
}

TEST_F(RecordsTest, NamesOfEveryLengthAndAnyBytes) {
  std::vector<std::string> names;
  for (std::size_t length = 1; length <= 255; ++length) {
    std::string name(length, static_cast<char>(length));
    name.back() = '\xff';
    records().add_link(length, 1, name);
    names.push_back(std::move(name));
  }
  next_worker();
  const auto left = records().take_stock();
  ASSERT_EQ(left.links.size(), names.size());
  for (const auto& [id, link] : left.links) EXPECT_EQ(link.name, names[link.node - 1]);
}

TEST_F(RecordsTest, ALostNameIsFoundAsSuchUntilItIsRemoved) {
  const RecordId first = records().add_lost_name({.node = 5, .parent = 1, .name = std::string(255, 'n')});
  records().add_lost_name({.node = 6, .parent = 2, .name = "name"});
  records().remove(first);
  EXPECT_EQ(records().used_bytes(), 64U);
  next_worker();
  const auto left = records().take_stock();
  EXPECT_TRUE(left.links.empty());
  ASSERT_EQ(left.lost_names.size(), 1U);
  EXPECT_EQ(left.lost_names[0].second.node, 6U);
  EXPECT_EQ(left.lost_names[0].second.parent, 2U);
  EXPECT_EQ(left.lost_names[0].second.name, "name");
}

TEST_F(RecordsTest, WhatWasRemovedIsGoneAndItsRoomIsUsedAgain) {
  std::mt19937 random(1);
  std::vector<RecordId> kept;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 1000; ++i) {
      kept.push_back(records().add_link(static_cast<std::uint64_t>(i), 1, std::string(1 + random() % 255, 'n')));
    }
    std::ranges::shuffle(kept, random);
    while (kept.size() > 100) {
      records().remove(kept.back());
      kept.pop_back();
    }
  }
  struct ::stat about{};
  ASSERT_EQ(::fstat(file_.get(), &about), 0);
  EXPECT_LT(about.st_blocks * 512, 2 << 20) << "about 300 bytes for each of the 1,100 that were there at once";
  next_worker();
  EXPECT_EQ(records().take_stock().links.size(), kept.size());
  const std::size_t used = records().used_bytes();
  for (int i = 0; i < 50; ++i) records().add_link(1, 1, "new");
  EXPECT_EQ(records().used_bytes(), used + std::size_t{50} * 64);
}

TEST_F(RecordsTest, ATruthOfAnyByteIsTrue) {
  records().add(HandleRecord{.handle = 1, .node = 2});
  const off_t first_cell = ::lseek(file_.get(), 0, SEEK_END) - (off_t{64} << 26) + 3 * off_t{64};
  const std::uint8_t odd = 3;
  ASSERT_EQ(::pwrite(file_.get(), &odd, sizeof odd, first_cell + 5), 1) << "behind its tag and its kind";
  next_worker();
  const auto left = records().take_stock();
  ASSERT_EQ(left.handles.size(), 1U);
  EXPECT_TRUE(left.handles[0].second.bypasses_pages);
  EXPECT_FALSE(left.handles[0].second.follows);
}

TEST_F(RecordsTest, AnyBytesInItsCellsAreTakenStockOf) {
  // Another build's bug, or a stray write: what makes no sense is dropped, and nothing is read past the end.
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 200; ++i) records().add_link(2, 1, std::string(1 + random() % 255, 'n'));
    const off_t end = ::lseek(file_.get(), 0, SEEK_END);
    const off_t cells = ::lseek(file_.get(), end - (off_t{64} << 26), SEEK_DATA);
    ASSERT_GE(cells, 0);
    for (int i = 0; i < 300; ++i) {
      const std::uint32_t word = random() % 8;
      ASSERT_EQ(::pwrite(file_.get(), &word, sizeof word, cells + static_cast<off_t>(random() % 20'000 / 4 * 4)), 4);
    }
    next_worker();
    for (const auto& [id, link] : records().take_stock().links) EXPECT_LE(link.name.size(), 255U);
  }
}

}  // namespace
}  // namespace arenacache::handover
