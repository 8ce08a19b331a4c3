// SPDX-License-Identifier: Apache-2.0
// Packed tiers under random work, one step after the other and by several threads at once.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/packed_tier.h"
#include "packed_models.h"
#include "support/faulty_file_io.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::is_ok;
using test::must;

constexpr std::size_t kLarge = 132'000;
constexpr std::size_t kModels = 6;

/// Models that share tensors, at other offsets, and fine-tunes of them; and a file that has one chunk twice.
std::vector<PackedModel> related_models() {
  std::vector<PackedModel> out;
  out.push_back(make_model({bf16_tensor("a", kLarge, 1), bf16_tensor("b", kLarge, 2)}));
  out.push_back(make_model({bf16_tensor("c", 300, 3), bf16_tensor("b", kLarge, 2), bf16_tensor("a", kLarge, 1)}));
  out.push_back(make_model({tuned_tensor("a", kLarge, 1, 0.005), bf16_tensor("b", kLarge, 2)}));
  out.push_back(make_model({tuned_tensor("a", kLarge, 1, 0.002), tuned_tensor("b", kLarge, 2, 0.005)}));
  out.push_back(make_plain(Bytes(2 * kMaxChunkBytes, std::byte{7})));
  out.push_back(make_plain({}));
  EXPECT_EQ(out.size(), kModels);
  return out;
}

class PackedRandom : public testing::Test {
 protected:
  using Objects = std::map<std::uint64_t, const PackedModel*>;

  static std::uint64_t pick(const Objects& objects, std::mt19937_64& random) {
    return std::next(objects.begin(), static_cast<std::ptrdiff_t>(random() % objects.size()))->first;
  }

  test::TempDir dir_;
  test::FaultyFileIo io_;
  std::string path_ = dir_.path("tier");
  const std::vector<PackedModel> models_ = related_models();
};

TEST_F(PackedRandom, work_leaves_what_it_should_and_nothing_else) {
  io_.spare_the_disk();
  for (std::uint64_t seed = 1; seed <= (ARENACACHE_IS_SANITIZED ? 2 : 8); ++seed) {
    SCOPED_TRACE(base::text("seed ", seed));
    std::mt19937_64 random(seed);
    PackedInventory inventory;
    auto tier = must(PackedTier::open(io_, path_, inventory));
    Objects objects;
    std::vector<std::pair<std::shared_ptr<PackedObject>, const PackedModel*>> held;
    std::uint64_t next = seed * 1000;
    for (int step = 0; step < 60; ++step) {
      const auto kind = random() % 10;
      if (kind < 4 || objects.empty()) {
        const PackedModel& model = models_[random() % kModels];
        must(tier->pack(request_for(model, next)));
        objects[next++] = &model;
      } else if (kind < 7) {
        const std::uint64_t id = pick(objects, random);
        must(tier->remove(ObjectId{id}));
        objects.erase(id);
      } else if (kind == 7) {
        const std::uint64_t id = pick(objects, random);
        held.emplace_back(must(tier->open_object(ObjectId{id})), objects[id]);
      } else if (kind == 8 && !held.empty()) {
        EXPECT_TRUE(must(read_all(*held.front().first)) == held.front().second->bytes);
        held.erase(held.begin());
      } else if (held.empty()) {
        tier.reset();
        inventory = {};
        tier = must(PackedTier::open(io_, path_, inventory));
        EXPECT_EQ(inventory.objects.size(), objects.size());
      }
      tier->check_invariants();
      EXPECT_EQ(tier->used_bytes(), bytes_on_disk(path_));
      EXPECT_EQ(tier->totals().objects, objects.size());
    }
    for (const auto& [id, model] : objects) expect_holds(*tier, id, *model);
    for (const auto& [id, model] : objects) must(tier->remove(ObjectId{id}));
    for (const auto& [object, model] : held) EXPECT_TRUE(must(read_all(*object)) == model->bytes);
    held.clear();
    EXPECT_EQ(tier->used_bytes(), 0U);
    EXPECT_EQ(bytes_on_disk(path_), 0U);
    EXPECT_EQ(must(tier->collect_orphans()), 0U);
  }
}

TEST_F(PackedRandom, work_by_many_threads_comes_out_right) {
  io_.spare_the_disk();
  PackedInventory inventory;
  const auto tier = must(PackedTier::open(io_, path_, inventory));
  std::atomic<std::uint64_t> next = 1;
  const auto work = [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::map<std::uint64_t, const PackedModel*> own;
    for (int step = 0; step < 25; ++step) {
      const auto kind = random() % 8;
      if (kind < 3 || own.empty()) {
        const PackedModel& model = models_[random() % kModels];
        const std::uint64_t id = next++;
        ASSERT_TRUE(is_ok(tier->pack(request_for(model, id))));
        own[id] = &model;
      } else if (kind < 5) {
        const std::uint64_t id = pick(own, random);
        const auto object = must(tier->open_object(ObjectId{id}));
        ASSERT_TRUE(is_ok(tier->remove(ObjectId{id})));
        EXPECT_TRUE(must(read_all(*object)) == own[id]->bytes);
        own.erase(id);
      } else if (kind == 5) {
        ASSERT_TRUE(is_ok(tier->collect_orphans()));
      } else if (kind == 6) {
        // Somebody else's, perhaps.
        const auto object = tier->open_object(ObjectId{1 + random() % next});
        if (object) {
          EXPECT_TRUE(is_ok(read_all(**object)));
        }
      } else {
        const std::uint64_t id = pick(own, random);
        expect_holds(*tier, id, *own[id]);
      }
    }
    for (const auto& [id, model] : own) {
      expect_holds(*tier, id, *model);
      ASSERT_TRUE(is_ok(tier->remove(ObjectId{id})));
    }
  };
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
  tier->check_invariants();
  EXPECT_EQ(tier->used_bytes(), 0U);
  EXPECT_EQ(bytes_on_disk(path_), 0U);
}

}  // namespace
}  // namespace arenacache::store
