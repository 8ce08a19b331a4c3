// SPDX-License-Identifier: Apache-2.0
// Objects that go from one packed tier to another.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/packed_tier.h"
#include "packed_models.h"
#include "support/matchers.h"
#include "support/store_files.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::is_ok;
using test::must;

constexpr std::size_t kLarge = 2'500'000;

class PackedCopyTest : public testing::Test {
 protected:
  ~PackedCopyTest() override {
    for (const auto& tier : {from_, to_}) {
      tier->check_invariants();
      EXPECT_EQ(tier->used_bytes(), bytes_on_disk(tier->directory()));
    }
  }
  std::shared_ptr<PackedTier> open(const std::string& name) {
    inventory_ = {};
    return must(PackedTier::open(io_, dir_.path(name), inventory_));
  }
  base::Result<PackedSizes> copy(std::uint64_t id, std::uint64_t new_id) {
    return from_->copy_object(ObjectId{id}, *to_, ObjectId{new_id}, PackRequest{});
  }

  test::TempDir dir_;
  base::PosixFileIo io_;
  PackedInventory inventory_;
  std::shared_ptr<PackedTier> from_ = open("from");
  std::shared_ptr<PackedTier> to_ = open("to");
  const PackedModel model_ = make_model({bf16_tensor("a", kLarge, 1), bf16_tensor("b", 77, 2)});
  const PackedModel tuned_ = make_model({tuned_tensor("a", kLarge, 1, 0.005)});
};

TEST_F(PackedCopyTest, is_the_same_object_under_another_id) {
  must(from_->pack(request_for(model_, 1)));
  const PackedSizes sizes = must(copy(1, 2));
  EXPECT_EQ(sizes.logical_bytes, model_.bytes.size());
  EXPECT_EQ(sizes.stored_bytes, from_->sizes(ObjectId{1}).stored_bytes);
  must(from_->remove(ObjectId{1}));
  expect_holds(*to_, 2, model_);
  to_.reset();
  to_ = open("to");
  ASSERT_EQ(inventory_.objects.size(), 1U);
  EXPECT_EQ(inventory_.objects[0].origin, request_for(model_, 1).origin);
  expect_holds(*to_, 2, model_);
}

TEST_F(PackedCopyTest, takes_the_base_of_a_difference_along) {
  must(from_->pack(request_for(model_, 1)));
  must(from_->pack(request_for(tuned_, 2)));
  const PackedSizes sizes = must(copy(2, 3));
  EXPECT_GT(sizes.delta_bytes, 0U);
  for (const std::uint64_t id : {1U, 2U}) must(from_->remove(ObjectId{id}));
  expect_holds(*to_, 3, tuned_);
  const std::uint64_t before = to_->used_bytes();
  must(to_->pack(request_for(model_, 4)));
  EXPECT_LT(to_->used_bytes() - before, 100'000U) << "the base's large chunks are there";
  must(to_->remove(ObjectId{4}));
  must(to_->remove(ObjectId{3}));
  EXPECT_EQ(to_->used_bytes(), 0U);
}

TEST_F(PackedCopyTest, uses_what_the_other_tier_has) {
  must(from_->pack(request_for(model_, 1)));
  must(to_->pack(request_for(model_, 2)));
  const std::uint64_t before = to_->used_bytes();
  must(copy(1, 3));
  EXPECT_LT(to_->used_bytes() - before, 16'384U);
  must(to_->remove(ObjectId{2}));
  expect_holds(*to_, 3, model_);
}

// In the one tier b is a difference to a; in the other a is one to c. What is built on it there would be one to a difference.
TEST_F(PackedCopyTest, builds_no_difference_on_a_difference) {
  const PackedModel sister = make_model({tuned_tensor("a", kLarge, 1, 0.003)});
  must(from_->pack(request_for(model_, 1)));
  must(from_->pack(request_for(tuned_, 2)));
  must(to_->pack(request_for(sister, 3)));
  EXPECT_GT(must(to_->pack(request_for(model_, 4))).delta_bytes, 0U);
  EXPECT_EQ(must(copy(2, 5)).delta_bytes, 0U);
  expect_holds(*to_, 5, tuned_);
  for (const std::uint64_t id : {3U, 4U}) must(to_->remove(ObjectId{id}));
  expect_holds(*to_, 5, tuned_);
}

TEST_F(PackedCopyTest, spreads_no_damage) {
  must(from_->pack(request_for(model_, 1)));
  const std::string name = to_text(must(from_->open_object(ObjectId{1}))->chunk_hash(1));
  test::flip_bit(from_->directory() + "/chunks/" + name.substr(0, 2) + "/" + name, 80'000);
  EXPECT_TRUE(has_kind(copy(1, 2), ErrorKind::corrupt));
  EXPECT_EQ(to_->used_bytes(), 0U);
  EXPECT_TRUE(has_kind(copy(9, 2), ErrorKind::corrupt)) << "one that is not there";
}

TEST_F(PackedCopyTest, ends_early_when_told_so) {
  must(from_->pack(request_for(model_, 1)));
  PackRequest stopped;
  stopped.progress = [](std::uint64_t) { return false; };
  EXPECT_TRUE(has_kind(from_->copy_object(ObjectId{1}, *to_, ObjectId{2}, stopped), ErrorKind::cancelled));
  PackRequest crowded;
  crowded.make_room = [](std::uint64_t) -> base::Result<void> {
    return base::fail(ErrorKind::no_space, ENOSPC, "the tier is full");
  };
  EXPECT_TRUE(has_kind(from_->copy_object(ObjectId{1}, *to_, ObjectId{2}, crowded), ErrorKind::no_space));
  EXPECT_EQ(to_->used_bytes(), 0U);
  EXPECT_TRUE(is_ok(copy(1, 2)));
}

}  // namespace
}  // namespace arenacache::store
