// SPDX-License-Identifier: Apache-2.0
// The raw tier on a disk that fails at each call in turn, with and without losing what was not synced: what was promised
// before is there and right, and what is there is never wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/block_map.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/raw_tier.h"
#include "arenacache/store/sidecar.h"
#include "store_objects.h"
#include "support/faulty_file_io.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using test::must;

constexpr std::uint64_t kSize = 2 * kBlockBytes + 77;

/// What the store has said yes to.
struct Promises {
  std::map<ObjectId, BlockIndex> least_blocks;  ///< objects whose sidecar was written: at least so many blocks
  std::map<ObjectId, ObjectId> bytes_of;  ///< objects that share another one's file
  std::vector<ObjectId> maybe_gone;  ///< their removal has begun
};

/// Fills an object in two steps, each with data first and sidecar second.
base::Result<void> fill(RawTier& tier, ObjectId id, Promises& promises) {
  AC_ASSIGN(const auto file, tier.create(id, kSize));
  AC_TRY(file->allocate(0, kSize));
  Sidecar sidecar = make_sidecar(id, kSize, base::text("m/", to_number(id)));
  AC_TRY(write_blocks(*file, sidecar, 0, 1));
  AC_TRY(file->sync());
  AC_TRY(tier.write_sidecar(sidecar));
  promises.least_blocks[id] = 1;
  AC_TRY(write_blocks(*file, sidecar, 1, 3));
  AC_TRY(file->sync());
  sidecar.resident = true;
  AC_TRY(tier.write_sidecar(sidecar));
  promises.least_blocks[id] = 3;
  return {};
}

/// Another object with the file of `from`, by the order of things: link, sidecar.
base::Result<void> share(RawTier& tier, ObjectId from, ObjectId to, Promises& promises) {
  AC_ASSIGN(const auto file, tier.link(from, to));
  AC_ASSIGN(Sidecar sidecar, tier.read_sidecar(from));
  sidecar.id = to;
  AC_TRY(tier.write_sidecar(sidecar));
  promises.least_blocks[to] = 3;
  return {};
}

/// Two objects of one folder, the first of which is shared by one of another folder and removed again. `base` makes ids that no round had before.
base::Result<void> scenario(RawTier& tier, std::uint64_t base, Promises& promises) {
  AC_TRY(fill(tier, ObjectId{base + 1}, promises));
  promises.bytes_of[ObjectId{base + 2}] = ObjectId{base + 1};  // also if it has come to a sidecar only
  AC_TRY(share(tier, ObjectId{base + 1}, ObjectId{base + 2}, promises));
  promises.maybe_gone.push_back(ObjectId{base + 1});
  AC_TRY(tier.remove(ObjectId{base + 1}));
  return fill(tier, ObjectId{base + 0x101}, promises);
}

/// Every block that a sidecar names is there with its bytes.
void expect_right(RawTier& tier, const Sidecar& sidecar, ObjectId bytes_of) {
  const auto file = must(tier.open_file(sidecar.id));
  for (BlockIndex block = 0; block < sidecar.blocks.size_blocks(); ++block) {
    if (!sidecar.blocks.is_present(block)) continue;
    std::vector<std::byte> got(block_length(block, sidecar.origin.size));
    must(file->read(got, std::uint64_t{block} * kBlockBytes));
    EXPECT_EQ(base::xxh3_64(got), sidecar.blocks.checksum(block))
        << "object " << to_number(sidecar.id) << " block " << block;
    EXPECT_EQ(got.front(), plain_block(bytes_of, block, kSize).front());
  }
}

void expect_promises_kept(base::FileIo& io, const std::string& raw, const Promises& promises) {
  const auto tier = must(RawTier::open(io, raw));
  const RawInventory inventory = must(tier->take_inventory());
  for (const Sidecar& sidecar : inventory.objects) {
    const auto shared = promises.bytes_of.find(sidecar.id);
    expect_right(*tier, sidecar, shared == promises.bytes_of.end() ? sidecar.id : shared->second);
  }
  for (const auto& [id, blocks] : promises.least_blocks) {
    const auto found = std::ranges::find(inventory.objects, id, &Sidecar::id);
    if (found == inventory.objects.end()) {
      EXPECT_NE(std::ranges::find(promises.maybe_gone, id), promises.maybe_gone.end())
          << "lost object " << to_number(id);
      continue;
    }
    EXPECT_GE(found->blocks.present_blocks(), blocks) << "object " << to_number(id);
  }
  tier->check_invariants();
  const RawInventory again = must(tier->take_inventory());
  EXPECT_EQ(again.objects.size(), inventory.objects.size());
  EXPECT_EQ(again.removed_orphans, 0U);
  for (const Sidecar& sidecar : again.objects) must(tier->remove(sidecar.id));
  EXPECT_EQ(tier->used_bytes(), 0U);
}

/// Runs the scenario with the n-th call failing, for each n until one run is not touched.
void fail_at_each_call(bool is_power_cut) {
  const test::TempDir dir;
  test::FaultyFileIo io;
  const std::string raw = dir.path("raw");
  for (std::size_t n = 1;; ++n) {
    SCOPED_TRACE(base::text("fault at call ", n));
    Promises promises;
    bool was_touched = true;
    {
      const auto tier = must(RawTier::open(io, raw));
      const std::size_t before = io.count();
      if (is_power_cut) {
        io.fail_from(n, EIO);
      } else {
        io.fail_nth(n, n % 2 == 0 ? EIO : ENOSPC);
      }
      static_cast<void>(scenario(*tier, n * 0x1000, promises));
      was_touched = io.count() - before >= n;
      tier->check_invariants();
    }
    if (is_power_cut) io.lose_unsynced();
    io.heal();
    expect_promises_kept(io, raw, promises);
    if (!was_touched || testing::Test::HasFailure()) break;
  }
}

TEST(RawTierFaults, one_failed_call_breaks_no_promise) { fail_at_each_call(false); }

TEST(RawTierFaults, a_power_cut_at_any_call_breaks_no_promise) { fail_at_each_call(true); }

TEST(RawTierFaults, a_torn_sidecar_leaves_the_old_one) {
  const test::TempDir dir;
  test::FaultyFileIo io;
  const auto tier = must(RawTier::open(io, dir.path("raw")));
  Promises promises;
  must(fill(*tier, ObjectId{1}, promises));
  for (const std::size_t torn : {0U, 1U, 87U, 150U}) {
    io.tear_nth_write(1, torn, ENOSPC);
    EXPECT_FALSE(test::is_ok(tier->write_sidecar(make_sidecar(ObjectId{1}, kSize))));
  }
  EXPECT_TRUE(must(tier->read_sidecar(ObjectId{1})).resident);
  EXPECT_EQ(must(tier->take_inventory()).removed_orphans, 0U) << "the torn ones were tidied away";
}

TEST(RawTierFaults, opening_survives_a_fault_at_each_call) {
  for (std::size_t n = 1; n <= 5; ++n) {
    const test::TempDir dir;
    test::FaultyFileIo io;
    io.fail_from(n, EIO);
    static_cast<void>(RawTier::open(io, dir.path("raw")));
    io.lose_unsynced();
    io.heal();
    const auto tier = must(RawTier::open(io, dir.path("raw")));
    Promises promises;
    must(fill(*tier, ObjectId{1}, promises));
  }
}

}  // namespace
}  // namespace arenacache::store
