// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/rebuild.h"

#include <gtest/gtest.h>

#include <memory>

#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "arenacache/store/raw_tier.h"
#include "arenacache/store/sidecar.h"
#include "store_objects.h"
#include "support/faulty_file_io.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using test::must;

class RebuildTest : public testing::Test {
 protected:
  IndexContents rebuild() { return must(rebuild_contents(*tier_, must(tier_->take_inventory()))); }

  test::TempDir dir_;
  test::FaultyFileIo io_;
  std::shared_ptr<RawTier> tier_ = must(RawTier::open(io_, dir_.path("raw")));
};

TEST_F(RebuildTest, an_empty_tier_gives_an_empty_index) {
  const IndexContents contents = rebuild();
  EXPECT_TRUE(contents.rows.empty());
  EXPECT_EQ(contents.next_id, ObjectId{1});
  EXPECT_FALSE(contents.clean);
}

TEST_F(RebuildTest, rows_say_what_the_sidecars_say_and_are_to_be_checked) {
  make_resident(*tier_, ObjectId{5}, 2 * kBlockBytes, "a/b");
  {
    const auto file = must(tier_->create(ObjectId{9}, 3 * kBlockBytes));
    Sidecar sidecar = make_sidecar(ObjectId{9}, 3 * kBlockBytes, "partial");
    must(write_blocks(*file, sidecar, 1, 2));
    must(tier_->write_sidecar(sidecar));
  }
  const IndexContents contents = rebuild();
  ASSERT_EQ(contents.rows.size(), 2U);
  EXPECT_EQ(contents.rows[0].id, ObjectId{5});
  EXPECT_EQ(contents.rows[0].origin, make_sidecar(ObjectId{5}, 2 * kBlockBytes, "a/b").origin);
  EXPECT_TRUE(contents.rows[0].resident);
  EXPECT_TRUE(contents.rows[0].needs_check);
  EXPECT_EQ(contents.rows[0].allocated_bytes, 2 * kBlockBytes);
  EXPECT_FALSE(contents.rows[1].resident);
  EXPECT_EQ(contents.rows[1].origin.path, "partial");
  EXPECT_EQ(contents.next_id, ObjectId{10});
}

TEST_F(RebuildTest, of_two_objects_of_one_file_the_newer_is_kept) {
  make_resident(*tier_, ObjectId{5}, kBlockBytes, "a");
  make_resident(*tier_, ObjectId{6}, kBlockBytes, "a");
  Sidecar renamed = make_sidecar(ObjectId{7}, 0, "b");
  renamed.origin.inode = 1006;  // object 6's file under the name it has now
  static_cast<void>(must(tier_->create(ObjectId{7}, 0)));
  must(tier_->write_sidecar(renamed));
  const IndexContents contents = rebuild();
  ASSERT_EQ(contents.rows.size(), 1U) << "object 6 had replaced 5, and 7 is of the same file as 6";
  EXPECT_EQ(contents.rows[0].id, ObjectId{7});
  EXPECT_EQ(must(tier_->take_inventory()).objects.size(), 1U);
  tier_->check_invariants();
}

TEST_F(RebuildTest, the_index_takes_the_rows_and_gives_higher_ids) {
  make_resident(*tier_, ObjectId{5000}, kBlockBytes, "a");
  IndexContents found;
  auto index = must(Index::open(dir_.path("index.db"), found));
  EXPECT_TRUE(found.was_reset) << "no index beside objects: it was lost";
  EXPECT_GT(found.next_id, ObjectId{5000});
  for (const IndexRow& row : rebuild().rows) index->put(row);
  EXPECT_GT(index->next_id(), ObjectId{5000});
  must(index->close());
  index = must(Index::open(dir_.path("index.db"), found));
  EXPECT_FALSE(found.was_reset);
  ASSERT_EQ(found.rows.size(), 1U);
  EXPECT_EQ(found.rows[0].origin.path, "a");
}

TEST_F(RebuildTest, a_rebuild_that_did_not_happen_is_asked_for_again) {
  make_resident(*tier_, ObjectId{5}, kBlockBytes, "a");
  for (int life = 0; life < 3; ++life) {
    IndexContents found;
    const auto index = must(Index::open(dir_.path("index.db"), found));
    EXPECT_TRUE(found.was_reset) << "life " << life;
    must(index->close());
  }
}

}  // namespace
}  // namespace arenacache::store
