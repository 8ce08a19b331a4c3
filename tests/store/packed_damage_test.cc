// SPDX-License-Identifier: Apache-2.0
// A packed tier whose files somebody damaged, cut or deleted: that is told, costs no other object anything, and is mended by the
// next packing of the same bytes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iomanip>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/packed_tier.h"
#include "packed_models.h"
#include "support/faulty_file_io.h"
#include "support/matchers.h"
#include "support/store_files.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::is_ok;
using test::must;

constexpr std::size_t kLarge = 200'000;

struct Damage {
  std::string name;
  std::function<void(const std::string& path)> apply;
};

std::vector<Damage> damages() {
  const auto flip_at = [](std::uint64_t byte) {
    return [byte](const std::string& path) { test::flip_bit(path, byte * 8 + 3); };
  };
  const auto cut_to = [](std::uint64_t divisor) {
    return [divisor](const std::string& path) {
      std::filesystem::resize_file(path, std::filesystem::file_size(path) / divisor);
    };
  };
  return {{"a bit of the magic", flip_at(1)},
          {"a bit of the hash", flip_at(20)},
          {"a bit of the base", flip_at(33)},
          {"a bit of the frame's head", flip_at(70)},
          {"a bit of the frame", flip_at(5000)},
          {"half of it", cut_to(2)},
          {"all of it", cut_to(1'000'000'000)},
          {"too much",
           [](const std::string& path) { std::filesystem::resize_file(path, std::filesystem::file_size(path) + 1); }},
          {"no file", [](const std::string& path) { std::filesystem::remove(path); }}};
}

class PackedDamage : public testing::Test {
 protected:
  ~PackedDamage() override { tier_->check_invariants(); }
  void reopen() {
    tier_.reset();
    inventory_ = {};
    tier_ = must(PackedTier::open(io_, path_, inventory_));
  }
  PackedSizes pack(const PackedModel& model, std::uint64_t id) { return must(tier_->pack(request_for(model, id))); }
  base::Result<Bytes> read(std::uint64_t id) {
    AC_ASSIGN(const auto object, tier_->open_object(ObjectId{id}));
    return read_all(*object);
  }
  [[nodiscard]] std::string chunk_path(std::uint64_t id, std::uint32_t chunk) {
    const std::string name = to_text(must(tier_->open_object(ObjectId{id}))->chunk_hash(chunk));
    return path_ + "/chunks/" + name.substr(0, 2) + "/" + name;
  }
  [[nodiscard]] std::string manifest_path(std::uint64_t id) const {
    std::ostringstream name;
    name << std::hex << std::setfill('0') << std::setw(16) << id << ".pack";
    for (const std::string& path : files_below(path_ + "/objects")) {
      if (path.ends_with(name.str())) return path;
    }
    ADD_FAILURE() << "no manifest of " << id;
    return {};
  }

  test::TempDir dir_;
  base::PosixFileIo io_;
  std::string path_ = dir_.path("tier");
  PackedInventory inventory_;
  std::shared_ptr<PackedTier> tier_ = must(PackedTier::open(io_, path_, inventory_));
  const PackedModel model_ = make_model({bf16_tensor("a", kLarge, 1), bf16_tensor("b", kLarge, 2)});
};

TEST_F(PackedDamage, of_a_chunk_is_found_and_mended_by_the_next_packing) {
  pack(model_, 1);
  std::uint64_t id = 2;
  for (const Damage& damage : damages()) {
    SCOPED_TRACE(damage.name);
    damage.apply(chunk_path(1, 1));
    EXPECT_TRUE(has_kind(read(1), ErrorKind::corrupt));
    EXPECT_TRUE(has_kind(tier_->check_chunk(*must(tier_->open_object(ObjectId{1})), 1), ErrorKind::corrupt));
    EXPECT_TRUE(is_ok(tier_->check_chunk(*must(tier_->open_object(ObjectId{1})), 2))) << "the others are as they were";
    pack(model_, id);
    expect_holds(*tier_, id, model_);
    expect_holds(*tier_, 1, model_);
    EXPECT_EQ(tier_->used_bytes(), bytes_on_disk(path_));
    ++id;
  }
}

TEST_F(PackedDamage, that_happened_between_two_lives_is_seen_where_it_shows_when_the_chunk_is_shared) {
  pack(model_, 1);
  std::uint64_t id = 2;
  for (const Damage& damage : damages()) {
    if (damage.name.contains("frame")) continue;  // only reading the whole would tell
    SCOPED_TRACE(damage.name);
    reopen();
    damage.apply(chunk_path(1, 1));
    pack(model_, id);
    expect_holds(*tier_, id, model_);
    ++id;
  }
}

TEST_F(PackedDamage, of_a_manifest_costs_that_object) {
  const PackedModel other = make_model({bf16_tensor("c", kLarge, 3)});
  pack(other, 999);
  std::uint64_t id = 1001;
  for (const Damage& damage : damages()) {
    if (damage.name == "a bit of the frame") continue;  // no manifest is so long
    SCOPED_TRACE(damage.name);
    pack(model_, id);
    const bool is_deleted = damage.name == "no file";
    damage.apply(manifest_path(id));
    EXPECT_TRUE(has_kind(tier_->open_object(ObjectId{id}), ErrorKind::corrupt));
    reopen();
    EXPECT_EQ(inventory_.removed, is_deleted ? 0U : 1U);
    ASSERT_EQ(inventory_.objects.size(), 1U);
    EXPECT_TRUE(has_kind(tier_->open_object(ObjectId{id}), ErrorKind::corrupt));
    EXPECT_EQ(must(tier_->collect_orphans()), 3U) << "its chunks";
    EXPECT_EQ(tier_->used_bytes(), bytes_on_disk(path_));
    expect_holds(*tier_, 999, other);
    ++id;
  }
}

TEST_F(PackedDamage, of_a_manifest_does_not_keep_the_object_from_being_removed) {
  pack(model_, 1);
  test::flip_bit(manifest_path(1), 100);
  must(tier_->remove(ObjectId{1}));
  EXPECT_EQ(bytes_on_disk(path_), 0U);
}

TEST_F(PackedDamage, of_a_base_is_told_by_the_difference_and_mends_with_it) {
  const PackedModel tuned = make_model({tuned_tensor("a", kLarge, 1, 0.005), tuned_tensor("b", kLarge, 2, 0.005)});
  pack(model_, 1);
  EXPECT_GT(pack(tuned, 2).delta_bytes, 0U);
  const std::string base = chunk_path(1, 1);
  test::flip_bit(base, 5000);
  EXPECT_TRUE(has_kind(read(2), ErrorKind::corrupt));
  must(tier_->remove(ObjectId{1}));
  EXPECT_TRUE(std::filesystem::exists(base)) << "the difference needs it";
  // The same difference again: nothing of it can be used as it is, and nothing is left to build on.
  pack(tuned, 3);
  expect_holds(*tier_, 3, tuned);
  expect_holds(*tier_, 2, tuned);
  pack(tuned, 4);
  must(tier_->remove(ObjectId{2}));
  must(tier_->remove(ObjectId{3}));
  reopen();
  expect_holds(*tier_, 4, tuned);
  must(tier_->remove(ObjectId{4}));
  EXPECT_EQ(bytes_on_disk(path_), 0U);
}

TEST_F(PackedDamage, of_a_base_keeps_others_from_building_on_it) {
  pack(model_, 1);
  for (const std::uint32_t i : {1U, 2U}) test::flip_bit(chunk_path(1, i), 5000);
  const PackedModel tuned = make_model({tuned_tensor("a", kLarge, 1, 0.005), tuned_tensor("b", kLarge, 2, 0.005)});
  EXPECT_EQ(pack(tuned, 2).delta_bytes, 0U);
  expect_holds(*tier_, 2, tuned);
}

TEST_F(PackedDamage, of_folders_costs_time_only) {
  pack(model_, 1);
  std::filesystem::remove_all(path_ + "/chunks");
  EXPECT_TRUE(has_kind(read(1), ErrorKind::corrupt));
  must(tier_->remove(ObjectId{1}));
  EXPECT_EQ(tier_->used_bytes(), 0U);
  pack(model_, 2);
  expect_holds(*tier_, 2, model_);
  std::filesystem::remove_all(path_ + "/objects");
  EXPECT_TRUE(has_kind(tier_->open_object(ObjectId{2}), ErrorKind::corrupt));
  must(tier_->remove(ObjectId{2}));
  pack(model_, 3);
  expect_holds(*tier_, 3, model_);
}

TEST_F(PackedDamage, leaves_files_of_others_alone) {
  pack(model_, 1);
  for (const char* name : {"chunks/notes", "chunks/ab/notes", "objects/zz/x", "objects/00/x.pack"}) {
    dir_.write_file(std::string("tier/") + name, "somebody's");
  }
  must(tier_->collect_orphans());
  reopen();
  EXPECT_EQ(inventory_.removed, 0U);
  for (const char* name : {"chunks/notes", "chunks/ab/notes", "objects/zz/x", "objects/00/x.pack"}) {
    EXPECT_EQ(dir_.read_file(std::string("tier/") + name), "somebody's");
  }
}

TEST_F(PackedDamage, of_the_disk_ends_the_start_and_deletes_no_manifest) {
  for (std::uint64_t id = 1; id <= 6; ++id) pack(model_, id);
  tier_.reset();
  test::FaultyFileIo io;
  PackedInventory inventory;
  io.fail_from(test::FileCall::read_at, 4, EIO);  // behind VERSION, identity and a manifest
  EXPECT_TRUE(has_kind(PackedTier::open(io, path_, inventory), ErrorKind::store));
  io.heal();
  io.fail_nth(test::FileCall::read_at, 4, EIO);
  inventory = {};
  test::must(PackedTier::open(io, path_, inventory));
  EXPECT_EQ(inventory.removed, 1U) << "one alone is its own fault";
  EXPECT_EQ(inventory.objects.size(), 5U);
  reopen();
  EXPECT_EQ(inventory_.objects.size(), 5U);
}

}  // namespace
}  // namespace arenacache::store
