// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/raw_tier.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/block_map.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/sidecar.h"
#include "store_objects.h"
#include "support/faulty_file_io.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using base::ErrorKind;
using test::FileCall;
using test::has_kind;
using test::is_ok;
using test::must;

constexpr long kTmpfsMagic = 0x01021994;  // Source: linux/magic.h

class RawTierTest : public testing::Test {
 protected:
  ~RawTierTest() override { tier_->check_invariants(); }

  std::shared_ptr<RawFile> resident(std::uint64_t id, std::uint64_t size = 3 * kBlockBytes) {
    return make_resident(*tier_, ObjectId{id}, size, "m/" + std::to_string(id));
  }
  /// Everything below raw/ but the folders.
  std::vector<std::string> files() {
    std::vector<std::string> out;
    for (const std::string& folder : must(io_.list(raw_))) {
      for (const std::string& name : must(io_.list(raw_ + "/" + folder))) out.push_back(base::text(folder, '/', name));
    }
    std::ranges::sort(out);
    return out;
  }

  test::TempDir dir_;
  test::FaultyFileIo io_;
  std::string raw_ = dir_.path("raw");
  std::shared_ptr<RawTier> tier_ = must(RawTier::open(io_, raw_));
};

TEST_F(RawTierTest, names_spread_over_folders_and_only_the_owner_reads_them) {
  resident(0xAB);
  resident(0x1AC);
  EXPECT_EQ(files(), (std::vector<std::string>{"ab/00000000000000ab", "ab/00000000000000ab.map", "ac/00000000000001ac",
                                               "ac/00000000000001ac.map"}));
  for (const std::string& name :
       {raw_, raw_ + "/ab", raw_ + "/ab/00000000000000ab", raw_ + "/ab/00000000000000ab.map"}) {
    struct stat raw = {};
    ASSERT_EQ(::stat(name.c_str(), &raw), 0);
    EXPECT_EQ(raw.st_mode & 077U, 0U) << name;
  }
}

TEST_F(RawTierTest, reads_back_what_was_written_also_after_a_restart) {
  resident(7, 2 * kBlockBytes + 10).reset();
  tier_ = must(RawTier::open(io_, raw_));
  const Sidecar sidecar = must(tier_->read_sidecar(ObjectId{7}));
  EXPECT_TRUE(sidecar.resident);
  const auto file = must(tier_->open_file(ObjectId{7}));
  for (BlockIndex block = 0; block < 3; ++block) {
    std::vector<std::byte> got(block_length(block, sidecar.origin.size));
    must(file->read(got, std::uint64_t{block} * kBlockBytes));
    EXPECT_EQ(got, plain_block(ObjectId{7}, block, sidecar.origin.size)) << block;
  }
  std::vector<std::byte> behind(11);
  EXPECT_TRUE(has_kind(file->read(behind, 2 * kBlockBytes), ErrorKind::corrupt));
}

TEST_F(RawTierTest, a_new_object_is_sparse) {
  const auto file = must(tier_->create(ObjectId{1}, 100 * kBlockBytes));
  EXPECT_LT(tier_->used_bytes(), kBlockBytes);
  EXPECT_EQ(must(io_.stat_fd(file->descriptor())).size_bytes, 100 * kBlockBytes);
}

TEST_F(RawTierTest, an_id_is_never_used_twice) {
  resident(1);
  EXPECT_TRUE(has_kind(tier_->create(ObjectId{1}, 5), ErrorKind::store));
}

TEST_F(RawTierTest, used_bytes_is_what_the_disk_gave) {
  const auto file = must(tier_->create(ObjectId{1}, 10 * kBlockBytes));
  must(file->allocate(0, 4 * kBlockBytes));
  const std::uint64_t reserved = tier_->used_bytes();
  EXPECT_GE(reserved, 4 * kBlockBytes);
  EXPECT_LT(reserved, 5 * kBlockBytes);
  Sidecar sidecar = make_sidecar(ObjectId{1}, 10 * kBlockBytes);
  must(write_blocks(*file, sidecar, 0, 6));
  EXPECT_GE(tier_->used_bytes(), 6 * kBlockBytes);
  EXPECT_EQ(must(file->refresh_allocated()), tier_->allocated_bytes(ObjectId{1}));
}

TEST_F(RawTierTest, a_removed_object_that_is_held_is_doomed_until_its_last_file_goes) {
  auto first = resident(1);
  auto second = must(tier_->open_file(ObjectId{1}));
  const std::uint64_t used = tier_->used_bytes();
  must(tier_->remove(ObjectId{1}));
  EXPECT_TRUE(files().empty());
  EXPECT_GE(tier_->doomed_bytes(), 3 * kBlockBytes);
  EXPECT_LE(tier_->used_bytes(), used);
  EXPECT_EQ(tier_->used_bytes(), tier_->doomed_bytes());
  first.reset();
  EXPECT_GE(tier_->doomed_bytes(), 3 * kBlockBytes);
  std::vector<std::byte> got(kBlockBytes);
  EXPECT_TRUE(is_ok(second->read(got, 0))) << "who holds it reads on";
  second.reset();
  EXPECT_EQ(tier_->doomed_bytes(), 0U);
  EXPECT_EQ(tier_->used_bytes(), 0U);
}

TEST_F(RawTierTest, removing_twice_or_what_never_was_is_no_error) {
  resident(1).reset();
  must(tier_->remove(ObjectId{1}));
  EXPECT_TRUE(is_ok(tier_->remove(ObjectId{1})));
  EXPECT_TRUE(is_ok(tier_->remove(ObjectId{99})));
  EXPECT_EQ(tier_->used_bytes(), 0U);
}

TEST_F(RawTierTest, opening_what_is_not_there_leaves_no_trace) {
  EXPECT_TRUE(has_kind(tier_->open_file(ObjectId{5}), ErrorKind::store));
  EXPECT_EQ(tier_->used_bytes(), 0U);
  EXPECT_FALSE(is_ok(tier_->read_sidecar(ObjectId{5})));
}

TEST_F(RawTierTest, a_resident_object_is_never_written_again) {
  const auto file = resident(1);
  const std::vector<std::byte> block(kBlockBytes);
  EXPECT_TRUE(has_kind(file->write(block, 0), ErrorKind::store));
  EXPECT_TRUE(has_kind(file->allocate(0, 1), ErrorKind::store));
  Sidecar sidecar = make_sidecar(ObjectId{1}, 3 * kBlockBytes);
  must(tier_->write_sidecar(sidecar));
  EXPECT_FALSE(is_ok(file->write(block, 0))) << "once resident, always: mappings of it may live";
  std::vector<std::byte> got(kBlockBytes);
  must(file->read(got, 0));
  EXPECT_EQ(got, plain_block(ObjectId{1}, 0, 3 * kBlockBytes));
}

TEST_F(RawTierTest, a_lost_write_back_is_told_by_every_sync_from_then_on) {
  const auto file = must(tier_->create(ObjectId{1}, 20 * kBlockBytes));
  Sidecar sidecar = make_sidecar(ObjectId{1}, 20 * kBlockBytes);
  io_.fail_nth(FileCall::finish_writeback, 1, EIO);
  EXPECT_FALSE(is_ok(write_blocks(*file, sidecar, 0, 20)));
  EXPECT_TRUE(has_kind(file->sync(), ErrorKind::store));
  EXPECT_TRUE(has_kind(must(tier_->open_file(ObjectId{1}))->sync(), ErrorKind::store)) << "by any of its files";
}

TEST_F(RawTierTest, after_a_failed_sync_the_next_one_does_not_lie) {
  const auto file = must(tier_->create(ObjectId{1}, kBlockBytes));
  io_.fail_nth(FileCall::sync_data, 1, EIO);
  EXPECT_FALSE(is_ok(file->sync()));
  EXPECT_FALSE(is_ok(file->sync()));
}

TEST_F(RawTierTest, a_full_disk_is_no_space) {
  const auto file = must(tier_->create(ObjectId{1}, kBlockBytes));
  io_.fail_from(1, ENOSPC);
  EXPECT_TRUE(has_kind(file->allocate(0, kBlockBytes), ErrorKind::no_space));
  EXPECT_TRUE(has_kind(file->write(plain_block(ObjectId{1}, 0, kBlockBytes), 0), ErrorKind::no_space));
  EXPECT_TRUE(has_kind(tier_->create(ObjectId{2}, 1), ErrorKind::no_space));
  EXPECT_TRUE(has_kind(tier_->write_sidecar(make_sidecar(ObjectId{1}, kBlockBytes)), ErrorKind::no_space));
  io_.heal();
}

TEST_F(RawTierTest, a_fill_leaves_little_in_the_page_cache) {
  struct statfs fs = {};
  ASSERT_EQ(::statfs(dir_.path().c_str(), &fs), 0);
  if (fs.f_type == kTmpfsMagic) GTEST_SKIP() << "the folder for tests lies in memory";
  constexpr std::uint64_t kSize = 64 * kBlockBytes;
  constexpr std::uint64_t kPage = 4096;
  base::PosixFileIo io;  // the faulty one reads what it may have to undo, and so fills the page cache
  const auto tier = must(RawTier::open(io, raw_));
  const auto file = must(tier->create(ObjectId{1}, kSize));
  void* mapping = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, file->descriptor(), 0);
  ASSERT_NE(mapping, MAP_FAILED);
  const auto cached_bytes = [&] {
    std::vector<unsigned char> pages(kSize / kPage);
    EXPECT_EQ(::mincore(mapping, kSize, pages.data()), 0);
    return kPage *
           static_cast<std::uint64_t>(std::ranges::count_if(pages, [](unsigned char p) { return (p & 1U) != 0; }));
  };
  Sidecar sidecar = make_sidecar(ObjectId{1}, kSize);
  std::uint64_t most = 0;
  for (BlockIndex block = 0; block < 64; ++block) {
    must(write_blocks(*file, sidecar, block, block + 1));
    most = std::max(most, cached_bytes());
  }
  EXPECT_LE(most, 8 * kBlockBytes);
  must(file->sync());
  EXPECT_LE(cached_bytes(), kBlockBytes);
  ::munmap(mapping, kSize);
}

TEST_F(RawTierTest, inventory_finds_what_is_whole_and_removes_what_is_not) {
  for (const char* folder : {"raw/05", "raw/0a"}) dir_.make_dir(folder);
  resident(3, kBlockBytes).reset();
  resident(0x103, 2 * kBlockBytes).reset();
  static_cast<void>(must(tier_->create(ObjectId{4}, kBlockBytes)));                     // data without sidecar
  must(tier_->write_sidecar(make_sidecar(ObjectId{5}, kBlockBytes)));                   // sidecar without data
  resident(6).reset();
  must(io_.truncate(must(io_.open(raw_ + "/06/0000000000000006", O_RDWR, 0)).get(), 100));  // wrong size
  resident(7).reset();
  dir_.write_file("raw/07/0000000000000007.map", "no sidecar");
  dir_.write_file("raw/08/0000000000000008.map.17.tmp", "half");
  resident(9).reset();
  must(io_.rename(raw_ + "/09/0000000000000009.map", raw_ + "/0a/000000000000000a.map"));  // another object's
  dir_.write_file("raw/0b/README", "not ours");
  dir_.write_file("raw/0b/0000000000000c0c", "in the wrong folder: not ours either");

  tier_ = must(RawTier::open(io_, raw_));
  const RawInventory inventory = must(tier_->take_inventory());
  ASSERT_EQ(inventory.objects.size(), 2U);
  EXPECT_EQ(inventory.objects[0].id, ObjectId{3});
  EXPECT_EQ(inventory.objects[1].id, ObjectId{0x103});
  EXPECT_EQ(inventory.removed_orphans, 7U);
  EXPECT_EQ(files(), (std::vector<std::string>{"03/0000000000000003", "03/0000000000000003.map", "03/0000000000000103",
                                               "03/0000000000000103.map", "0b/0000000000000c0c", "0b/README"}));
  EXPECT_EQ(tier_->allocated_bytes(ObjectId{3}), kBlockBytes);
  EXPECT_GE(tier_->used_bytes(), 3 * kBlockBytes);
  EXPECT_EQ(must(tier_->take_inventory()).removed_orphans, 0U);
}

TEST_F(RawTierTest, inventory_leaves_alone_what_is_being_filled) {
  const auto file = must(tier_->create(ObjectId{1}, kBlockBytes));
  const RawInventory inventory = must(tier_->take_inventory());
  EXPECT_TRUE(inventory.objects.empty());
  EXPECT_EQ(inventory.removed_orphans, 0U);
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(RawTierTest, inventory_deletes_nothing_for_an_error_that_says_nothing_of_the_file) {
  resident(1).reset();
  io_.fail_nth(FileCall::open, 1, EMFILE);
  EXPECT_FALSE(is_ok(tier_->take_inventory()));
  io_.heal();
  EXPECT_EQ(must(tier_->take_inventory()).objects.size(), 1U);
}

TEST_F(RawTierTest, folders_deleted_under_it_are_made_again) {
  resident(1).reset();
  must(tier_->remove(ObjectId{1}));
  ASSERT_EQ(::rmdir((raw_ + "/01").c_str()), 0);
  ASSERT_EQ(::rmdir(raw_.c_str()), 0);
  EXPECT_TRUE(is_ok(tier_->take_inventory()));
  resident(2);
  EXPECT_EQ(files().size(), 2U);
}

TEST_F(RawTierTest, an_object_known_from_the_index_counts) {
  tier_->account(ObjectId{1}, 5 * kBlockBytes);
  const std::uint64_t used = tier_->used_bytes();
  EXPECT_GE(used, 5 * kBlockBytes);
  EXPECT_LT(used, 6 * kBlockBytes);
  tier_->account(ObjectId{1}, 5 * kBlockBytes);
  EXPECT_EQ(tier_->used_bytes(), used) << "said twice, counted once";
  must(tier_->remove(ObjectId{1}));
  EXPECT_EQ(tier_->used_bytes(), 0U);
}

class RawTierSharingTest : public RawTierTest {
 protected:
  /// A second object with the file and the checksums of `from`.
  std::shared_ptr<RawFile> share(std::uint64_t from, std::uint64_t to) {
    auto file = must(tier_->link(ObjectId{from}, ObjectId{to}));
    Sidecar sidecar = must(tier_->read_sidecar(ObjectId{from}));
    sidecar.id = ObjectId{to};
    must(tier_->write_sidecar(sidecar));
    return file;
  }
  static constexpr std::uint64_t kData = 3 * kBlockBytes;
};

TEST_F(RawTierSharingTest, two_objects_with_one_file_take_its_room_once) {
  resident(1).reset();
  resident(3).reset();
  const std::uint64_t alone = tier_->used_bytes();
  share(1, 2).reset();
  EXPECT_LT(tier_->used_bytes(), alone + kBlockBytes);
  EXPECT_EQ(tier_->shared_bytes(), kData);
  EXPECT_EQ(tier_->sharers(ObjectId{1}), 2U);
  EXPECT_EQ(tier_->sharers(ObjectId{3}), 1U);
  EXPECT_EQ(tier_->data_of(ObjectId{1}), tier_->data_of(ObjectId{2}));
  EXPECT_NE(tier_->data_of(ObjectId{1}), tier_->data_of(ObjectId{3}));
  const std::vector<std::byte> block(kBlockBytes);
  EXPECT_TRUE(has_kind(must(tier_->open_file(ObjectId{2}))->write(block, 0), ErrorKind::store)) << "nobody writes it";
  EXPECT_TRUE(has_kind(must(tier_->open_file(ObjectId{1}))->write(block, 0), ErrorKind::store));
}

TEST_F(RawTierSharingTest, only_the_last_name_frees_the_room) {
  resident(1).reset();
  share(1, 2).reset();
  must(tier_->remove(ObjectId{1}));
  EXPECT_GE(tier_->used_bytes(), kData);
  EXPECT_EQ(tier_->doomed_bytes(), 0U);
  EXPECT_EQ(tier_->shared_bytes(), 0U);
  std::vector<std::byte> got(kBlockBytes);
  must(must(tier_->open_file(ObjectId{2}))->read(got, kBlockBytes));
  EXPECT_EQ(got, plain_block(ObjectId{1}, 1, kData));
  must(tier_->remove(ObjectId{2}));
  EXPECT_EQ(tier_->used_bytes(), 0U);
}

TEST_F(RawTierSharingTest, who_holds_a_removed_name_dooms_nothing_while_another_is_there) {
  auto held = resident(1);
  share(1, 2).reset();
  must(tier_->remove(ObjectId{1}));
  EXPECT_EQ(tier_->doomed_bytes(), 0U);
  EXPECT_GE(tier_->used_bytes(), kData);
  must(tier_->remove(ObjectId{2}));
  EXPECT_EQ(tier_->doomed_bytes(), kData);
  held.reset();
  EXPECT_EQ(tier_->doomed_bytes(), 0U);
  EXPECT_EQ(tier_->used_bytes(), 0U);
}

TEST_F(RawTierSharingTest, what_is_gone_cannot_be_shared_and_leaves_no_trace) {
  resident(1).reset();
  must(tier_->remove(ObjectId{1}));
  EXPECT_FALSE(is_ok(tier_->link(ObjectId{1}, ObjectId{2})));
  EXPECT_EQ(tier_->used_bytes(), 0U);
  resident(3).reset();
  io_.fail_nth(FileCall::link, 1, EPERM);
  EXPECT_FALSE(is_ok(tier_->link(ObjectId{3}, ObjectId{0x103})));
  io_.fail_nth(FileCall::stat, 1, EIO);  // the link is there by then
  EXPECT_FALSE(is_ok(tier_->link(ObjectId{3}, ObjectId{0x103})));
  io_.heal();
  EXPECT_EQ(tier_->sharers(ObjectId{3}), 1U);
  EXPECT_EQ(files().size(), 2U);
}

TEST_F(RawTierSharingTest, an_inventory_counts_a_file_once) {
  resident(1).reset();
  share(1, 2).reset();
  resident(3).reset();
  const std::uint64_t used = tier_->used_bytes();
  tier_ = must(RawTier::open(io_, raw_));
  EXPECT_EQ(must(tier_->take_inventory()).objects.size(), 3U);
  EXPECT_EQ(tier_->used_bytes(), used);
  EXPECT_EQ(tier_->shared_bytes(), kData);
  EXPECT_EQ(must(tier_->take_inventory()).objects.size(), 3U) << "again";
  EXPECT_EQ(tier_->used_bytes(), used);
}

TEST_F(RawTierSharingTest, what_is_known_from_rows_is_counted_once_after_a_look) {
  resident(1).reset();
  share(1, 2).reset();
  resident(3).reset();
  tier_ = must(RawTier::open(io_, raw_));
  for (const std::uint64_t id : {1U, 2U, 3U, 4U}) tier_->account(ObjectId{id}, kData);  // the last one is not there
  EXPECT_GE(tier_->used_bytes(), 4 * kData);
  const auto shared = tier_->find_shared({ObjectId{1}, ObjectId{2}, ObjectId{3}, ObjectId{4}});
  EXPECT_EQ(shared, (std::vector{std::pair{ObjectId{2}, ObjectId{1}}}));
  EXPECT_LT(tier_->used_bytes(), 4 * kData);
  EXPECT_EQ(tier_->shared_bytes(), kData);
  EXPECT_EQ(tier_->find_shared({ObjectId{1}, ObjectId{2}}).size(), 1U) << "again";
  EXPECT_EQ(tier_->shared_bytes(), kData);
}

}  // namespace
}  // namespace arenacache::store
