// SPDX-License-Identifier: Apache-2.0
#include "chunk_table.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <future>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/store/chunk.h"
#include "manifest.h"
#include "support/matchers.h"

namespace arenacache::store {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::must;

constexpr ChunkHash kHash{.high = 1, .low = 2};
constexpr ChunkHash kOther{.high = 3, .low = 4};
constexpr std::uint32_t kBytes = 100;
constexpr std::uint32_t kDiskBytes = 4096;
/// How long something is watched that must not happen.
constexpr auto kWatch = std::chrono::milliseconds(50);

class ChunkTableTest : public testing::Test {
 protected:
  ~ChunkTableTest() override { table_.check_invariants({}); }
  /// Pinned, with a file.
  Chunk* place(const ChunkHash& hash, Chunk* base = nullptr) {
    Chunk* chunk = must(table_.pin(hash, kBytes));
    EXPECT_TRUE(table_.begin_placing(chunk, base != nullptr));
    table_.placed(chunk, kDiskBytes, base);
    return chunk;
  }
  std::vector<Chunk*> unpin(Chunk* chunk) { return table_.unpin(std::vector{chunk}); }

  ChunkTable table_;
};

TEST_F(ChunkTableTest, who_wants_a_chunk_that_is_being_deleted_waits_and_finds_none) {
  Chunk* chunk = place(kHash);
  ASSERT_EQ(unpin(chunk), std::vector{chunk}) << "to be deleted";
  auto again = std::async(std::launch::async, [&] { return must(table_.pin(kHash, kBytes)); });
  EXPECT_EQ(again.wait_for(kWatch), std::future_status::timeout);
  EXPECT_EQ(table_.deleted(chunk, true), nullptr);
  Chunk* fresh = again.get();
  EXPECT_EQ(table_.standing(fresh), Standing::missing);
  EXPECT_EQ(table_.used_bytes(), 0U);
  EXPECT_TRUE(unpin(fresh).empty());
}

TEST_F(ChunkTableTest, of_two_that_bring_a_chunk_the_second_finds_it_there) {
  Chunk* chunk = must(table_.pin(kHash, kBytes));
  Chunk* same = must(table_.pin(kHash, kBytes));
  ASSERT_EQ(chunk, same);
  ASSERT_TRUE(table_.begin_placing(chunk, false));
  auto second = std::async(std::launch::async, [&] { return table_.begin_placing(same, false); });
  EXPECT_EQ(second.wait_for(kWatch), std::future_status::timeout);
  table_.placed(chunk, kDiskBytes, nullptr);
  EXPECT_FALSE(second.get());
  EXPECT_EQ(table_.used_bytes(), kDiskBytes);
  EXPECT_TRUE(unpin(chunk).empty());
  EXPECT_EQ(unpin(same), std::vector{same});
  EXPECT_EQ(table_.deleted(same, true), nullptr);
}

TEST_F(ChunkTableTest, when_the_first_fails_the_second_may) {
  Chunk* chunk = must(table_.pin(kHash, kBytes));
  ASSERT_TRUE(table_.begin_placing(chunk, false));
  auto second = std::async(std::launch::async, [&] { return table_.begin_placing(chunk, false); });
  table_.not_placed(chunk);
  EXPECT_TRUE(second.get());
  table_.not_placed(chunk);
  EXPECT_TRUE(unpin(chunk).empty()) << "it has no file";
}

TEST_F(ChunkTableTest, a_base_goes_after_the_last_that_is_built_on_it) {
  Chunk* base = place(kHash);
  Chunk* difference = place(kOther, base);
  EXPECT_EQ(table_.pin_as_base(difference), base) << "nothing is built on a difference";
  EXPECT_TRUE(table_.unpin(std::vector{base, base}).empty());
  ASSERT_EQ(unpin(difference), std::vector{difference});
  ASSERT_EQ(table_.deleted(difference, true), base);
  EXPECT_EQ(table_.deleted(base, true), nullptr);
}

TEST_F(ChunkTableTest, no_chunk_that_somebody_is_at_work_with_is_an_orphan) {
  Chunk* chunk = place(kHash);
  EXPECT_EQ(table_.claim_orphan(kHash), nullptr);
  EXPECT_TRUE(table_.claim_unneeded().empty());
  ASSERT_EQ(unpin(chunk), std::vector{chunk});
  EXPECT_EQ(table_.deleted(chunk, false), nullptr) << "its file could not be deleted";
  EXPECT_EQ(table_.used_bytes(), kDiskBytes);
  ASSERT_EQ(table_.claim_orphan(kHash), chunk);
  EXPECT_EQ(table_.deleted(chunk, true), nullptr);
  Chunk* unknown = table_.claim_orphan(kOther);
  ASSERT_NE(unknown, nullptr);
  EXPECT_EQ(table_.deleted(unknown, false), nullptr);
  EXPECT_EQ(table_.used_bytes(), 0U);
}

TEST_F(ChunkTableTest, manifests_that_contradict_one_another_are_refused) {
  std::vector<Chunk*> disputed;
  const ManifestChunk plain{.hash = kHash, .bytes = kBytes, .disk_bytes = kDiskBytes, .base = {}};
  const ManifestChunk on_it{.hash = kOther,
                            .bytes = kBytes,
                            .disk_bytes = kDiskBytes,
                            .base = ManifestChunk::Base{.hash = kHash, .disk_bytes = kDiskBytes}};
  std::vector<Chunk*> listed = must(table_.adopt({plain, on_it}, disputed));
  ManifestChunk shorter = plain;
  shorter.bytes = kBytes - 1;
  ManifestChunk deeper{.hash = {.high = 9, .low = 9},
                       .bytes = kBytes,
                       .disk_bytes = kDiskBytes,
                       .base = ManifestChunk::Base{.hash = kOther, .disk_bytes = kDiskBytes}};
  ManifestChunk circle = plain;
  circle.base = ManifestChunk::Base{.hash = kOther, .disk_bytes = kDiskBytes};
  ManifestChunk alone = on_it;
  alone.base = {};
  for (const ManifestChunk& wrong : {shorter, deeper, circle, alone}) {
    EXPECT_TRUE(has_kind(table_.adopt({plain, wrong}, disputed), ErrorKind::corrupt));
  }
  EXPECT_TRUE(disputed.empty());
  ManifestChunk larger = plain;
  larger.disk_bytes = 2 * kDiskBytes;
  const std::vector<Chunk*> more = must(table_.adopt({larger}, disputed));
  EXPECT_EQ(disputed, more);
  listed.push_back(more.front());
  for (Chunk* chunk : table_.unlist(listed)) {
    while (chunk != nullptr) chunk = table_.deleted(chunk, true);
  }
  EXPECT_EQ(table_.used_bytes(), 0U);
}

}  // namespace
}  // namespace arenacache::store
