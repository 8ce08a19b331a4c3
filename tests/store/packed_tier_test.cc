// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/packed_tier.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/model/header.h"
#include "arenacache/model/tensor_table.h"
#include "arenacache/store/chunk.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/pack_plan.h"
#include "model/model_files.h"
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

/// Making weights and packing them takes tens of times as long under a sanitizer.
constexpr std::size_t kMillion = ARENACACHE_IS_SANITIZED ? 150'000 : 1'000'000;

Bytes noise(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes out(count);
  for (std::byte& b : out) b = static_cast<std::byte>(random());
  return out;
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

class PackedTierTest : public testing::Test {
 protected:
  ~PackedTierTest() override {
    if (tier_) tier_->check_invariants();
  }
  void reopen() {
    tier_.reset();
    inventory_ = {};
    tier_ = must(PackedTier::open(io_, path_, inventory_));
  }
  PackedSizes pack(const PackedModel& model, std::uint64_t id) { return must(tier_->pack(request_for(model, id))); }
  void expect_exact() const { EXPECT_EQ(tier_->used_bytes(), bytes_on_disk(path_)); }

  test::TempDir dir_;
  base::PosixFileIo io_;
  std::string path_ = dir_.path("tier");
  PackedInventory inventory_;
  std::shared_ptr<PackedTier> tier_ = must(PackedTier::open(io_, path_, inventory_));
};

TEST_F(PackedTierTest, gives_back_what_was_packed_also_after_a_restart) {
  const PackedModel model = make_model({bf16_tensor("a", 3'000'000, 1), bf16_tensor("b", 100, 2)});
  const PackedSizes sizes = pack(model, 1);
  EXPECT_EQ(sizes.logical_bytes, model.bytes.size());
  EXPECT_LT(sizes.stored_bytes, model.bytes.size() * 7 / 10);
  expect_holds(*tier_, 1, model);
  expect_exact();
  const PackedTotals totals = tier_->totals();
  reopen();
  ASSERT_EQ(inventory_.objects.size(), 1U);
  EXPECT_EQ(inventory_.objects[0].origin, request_for(model, 1).origin);
  EXPECT_EQ(inventory_.objects[0].stored_bytes, sizes.stored_bytes);
  EXPECT_EQ(inventory_.removed, 0U);
  expect_holds(*tier_, 1, model);
  EXPECT_EQ(tier_->totals().stored_bytes, totals.stored_bytes);
  EXPECT_EQ(tier_->totals().chunks, totals.chunks);
  expect_exact();
}

TEST_F(PackedTierTest, reads_where_the_page_cache_cannot_be_passed_by) {
  const PackedModel model = make_model({bf16_tensor("a", 3'000'000, 1)});
  pack(model, 1);
  tier_.reset();
  test::FaultyFileIo io;
  io.refuse_direct();
  PackedInventory inventory;
  const auto tier = must(PackedTier::open(io, path_, inventory));
  expect_holds(*tier, 1, model);
}

TEST_F(PackedTierTest, nothing_is_left_after_the_last_removal) {
  const PackedModel model = make_model({bf16_tensor("a", 300'000, 1)});
  pack(model, 1);
  must(tier_->remove(ObjectId{1}));
  EXPECT_EQ(tier_->used_bytes(), 0U);
  EXPECT_EQ(bytes_on_disk(path_), 0U);
  EXPECT_TRUE(has_kind(tier_->open_object(ObjectId{1}), ErrorKind::corrupt));
  EXPECT_TRUE(is_ok(tier_->remove(ObjectId{1}))) << "one that is not there is fine";
}

TEST_F(PackedTierTest, any_size_of_anything_comes_back) {
  std::uint64_t id = 1;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{kMaxChunkBytes},
                                 std::size_t{kMaxChunkBytes} + 1, 2 * std::size_t{kMaxChunkBytes} + 77}) {
    const PackedModel model = make_plain(noise(size, size));
    pack(model, id);
    expect_holds(*tier_, id, model);
    ++id;
  }
  expect_exact();
  reopen();
  EXPECT_EQ(inventory_.objects.size(), 6U);
  expect_holds(*tier_, 1, make_plain({}));
  expect_exact();
}

TEST_F(PackedTierTest, every_type_comes_back_whatever_its_bytes_are) {
  std::vector<ModelTensor> tensors;
  std::uint64_t seed = 1;
  for (const auto& [dtype, width] : std::vector<std::pair<std::string, std::size_t>>{{"F64", 8},
                                                                                     {"F32", 4},
                                                                                     {"F16", 2},
                                                                                     {"BF16", 2},
                                                                                     {"F8_E4M3", 1},
                                                                                     {"F8_E5M2", 1},
                                                                                     {"I64", 8},
                                                                                     {"I32", 4},
                                                                                     {"I16", 2},
                                                                                     {"I8", 1},
                                                                                     {"U64", 8},
                                                                                     {"U32", 4},
                                                                                     {"U16", 2},
                                                                                     {"U8", 1},
                                                                                     {"BOOL", 1}}) {
    for (const std::size_t count :
         {std::size_t{3}, 300'001 / width, (ARENACACHE_IS_SANITIZED ? 400'003 : 5'000'003) / width}) {
      const std::string name = dtype + "." + std::to_string(count);
      tensors.push_back({.name = name, .dtype = dtype, .shape = {count}, .bytes = noise(count * width, ++seed)});
    }
  }
  const PackedModel model = make_model(tensors);
  for (const codec::Level level : {codec::Level::store, codec::Level::lz4, codec::Level::fast, codec::Level::high}) {
    PackRequest request = request_for(model, 1);
    request.level = level;
    must(tier_->pack(request));
    expect_holds(*tier_, 1, model);
    must(tier_->remove(ObjectId{1}));
  }
}

TEST_F(PackedTierTest, quantised_models_come_back) {
  constexpr std::uint64_t kElements = 25'600;
  const std::vector<std::pair<std::uint32_t, std::uint64_t>> types = {
      {2, 18}, {3, 20}, {6, 22}, {7, 24}, {8, 34}, {10, 84}, {11, 110}, {12, 144}, {13, 176}, {14, 210}};
  test::GgufHead head(types.size(), 0);
  std::uint64_t at = 0;
  for (const auto& [type, block] : types) {
    head.tensor("t" + std::to_string(type), {kElements * 32}, type, at);
    at += (kElements * 32 / (type < 10 ? 32 : 256) * block + 31) / 32 * 32;
  }
  const test::ModelFile file = head.file(at);
  PackedModel model;
  const auto head_bytes = test::bytes_of(file.head);
  model.bytes.assign(head_bytes.begin(), head_bytes.end());
  const Bytes data = noise(at, 5);
  model.bytes.insert(model.bytes.end(), data.begin(), data.end());
  ASSERT_EQ(model.bytes.size(), file.size);
  model.table = std::get<model::TensorTable>(must(model::read_header(model.bytes, model.bytes.size())));
  pack(model, 1);
  expect_holds(*tier_, 1, model);
  EXPECT_GT(pack(model, 2).shared_bytes, 0U);
  expect_holds(*tier_, 2, model);
}

TEST_F(PackedTierTest, offsets_lead_to_chunks) {
  const PackedModel model = make_model({bf16_tensor("a", 2'500'000, 1), bf16_tensor("b", 100, 2)});
  pack(model, 1);
  const auto object = must(tier_->open_object(ObjectId{1}));
  EXPECT_EQ(object->id(), ObjectId{1});
  EXPECT_EQ(object->size(), model.bytes.size());
  ASSERT_EQ(object->chunk_count(), 4U) << "header, two of a, one of b";
  for (std::uint32_t i = 0; i < object->chunk_count(); ++i) {
    const std::uint64_t begin = object->chunk_offset(i);
    const std::uint32_t bytes = object->chunk_bytes(i);
    EXPECT_EQ(object->chunk_at(begin), i);
    EXPECT_EQ(object->chunk_at(begin + bytes - 1), i);
    EXPECT_EQ(object->chunk_hash(i), chunk_hash_of(std::span(model.bytes).subspan(begin, bytes)));
    EXPECT_TRUE(is_ok(tier_->check_chunk(*object, i)));
  }
}

TEST_F(PackedTierTest, the_same_file_under_two_names_is_stored_once) {
  const PackedModel model = make_model({bf16_tensor("a", 1'000'000, 1)});
  const PackedSizes first = pack(model, 1);
  const std::uint64_t before = tier_->used_bytes();
  const PackedSizes second = pack(model, 2);
  EXPECT_LT(tier_->used_bytes() - before, 16'384U) << "a manifest";
  EXPECT_EQ(second.shared_bytes, model.bytes.size());
  EXPECT_EQ(tier_->sizes(ObjectId{1}).shared_bytes, model.bytes.size());
  EXPECT_EQ(first.shared_bytes, 0U);
  must(tier_->remove(ObjectId{1}));
  expect_holds(*tier_, 2, model);
  EXPECT_EQ(tier_->sizes(ObjectId{2}).stored_bytes, first.stored_bytes);
  expect_exact();
}

TEST_F(PackedTierTest, models_that_share_half_their_tensors_take_half_of_their_size) {
  constexpr std::size_t kCount = 3 * kMillion;
  std::vector<ModelTensor> one;
  std::vector<ModelTensor> other;
  other.push_back(bf16_tensor("some.bias", 1001, 99));
  for (std::uint64_t i = 0; i < 4; ++i) {
    const std::string name = "layer." + std::to_string(i);
    one.push_back(bf16_tensor(name + ".shared", kCount, i));
    one.push_back(bf16_tensor(name + ".own", kCount, 10 + i));
    other.push_back(bf16_tensor(name + ".own", kCount, 20 + i));
    other.push_back(bf16_tensor(name + ".shared", kCount, i));
  }
  pack(make_model(one), 1);
  pack(make_model(other), 2);
  const PackedTotals totals = tier_->totals();
  const auto logical = static_cast<double>(totals.logical_bytes);
  const double unique = static_cast<double>(totals.unique_bytes) / logical;
  const double stored = static_cast<double>(totals.stored_bytes) / logical;
  EXPECT_LE(unique, 0.76);
  EXPECT_LE(stored, 0.51);
  EXPECT_EQ(totals.delta_unique_bytes, 0U) << "weights that have nothing to do with each other are no differences";
  RecordProperty("unique", std::to_string(unique));
  RecordProperty("stored", std::to_string(stored));
  std::printf("two models that share half: %.3f of their size before compression, %.3f after\n", unique, stored);
}

TEST_F(PackedTierTest, a_fine_tune_is_stored_as_the_difference_to_its_base) {
  constexpr std::size_t kCount = 5 * kMillion;
  const PackedModel base = make_model({bf16_tensor("a", kCount, 1), bf16_tensor("b", kCount, 2)});
  const PackedModel tuned = make_model(
      {bf16_tensor("new", 300'000, 9), tuned_tensor("b", kCount, 2, 0.005), tuned_tensor("a", kCount, 1, 0.005)});
  pack(base, 1);
  const PackedSizes sizes = pack(tuned, 2);
  EXPECT_GE(sizes.delta_bytes, std::uint64_t{2} * 2 * kCount);
  const PackedTotals totals = tier_->totals();
  const double ratio = static_cast<double>(totals.delta_stored_bytes) / static_cast<double>(totals.delta_unique_bytes);
  EXPECT_LE(ratio, 0.29);
  std::printf("a fine-tune at 0.005: %.3f of its size\n", ratio);
  expect_holds(*tier_, 2, tuned);

  // The base's chunks stay as long as something is built on them.
  must(tier_->remove(ObjectId{1}));
  EXPECT_TRUE(has_kind(tier_->open_object(ObjectId{1}), ErrorKind::corrupt));
  expect_holds(*tier_, 2, tuned);
  expect_exact();
  reopen();
  expect_holds(*tier_, 2, tuned);
  expect_exact();
  tier_->check_invariants();

  // A fine-tune of the same base finds it through the difference; the base itself comes back for nothing.
  const PackedModel sister = make_model({tuned_tensor("a", kCount, 1, 0.004)});
  EXPECT_GE(pack(sister, 3).delta_bytes, std::uint64_t{2} * kCount);
  expect_holds(*tier_, 3, sister);
  const std::uint64_t before = tier_->used_bytes();
  pack(base, 4);
  EXPECT_LT(tier_->used_bytes() - before, 16'384U);
  expect_holds(*tier_, 4, base);
  for (const std::uint64_t id : {2U, 3U, 4U}) must(tier_->remove(ObjectId{id}));
  EXPECT_EQ(bytes_on_disk(path_), 0U);
}

TEST_F(PackedTierTest, levels_without_differences_make_none) {
  pack(make_model({bf16_tensor("a", 300'000, 1)}), 1);
  const PackedModel tuned = make_model({tuned_tensor("a", 300'000, 1, 0.005)});
  for (const codec::Level level : {codec::Level::store, codec::Level::lz4}) {
    PackRequest request = request_for(tuned, 2);
    request.level = level;
    EXPECT_EQ(must(tier_->pack(request)).delta_bytes, 0U);
    expect_holds(*tier_, 2, tuned);
    must(tier_->remove(ObjectId{2}));
  }
}

TEST_F(PackedTierTest, who_has_an_object_open_reads_on_after_its_removal) {
  const PackedModel model = make_model({bf16_tensor("a", 300'000, 1)});
  pack(model, 1);
  auto object = must(tier_->open_object(ObjectId{1}));
  must(tier_->remove(ObjectId{1}));
  EXPECT_GT(tier_->used_bytes(), 0U);
  EXPECT_EQ(tier_->totals().objects, 0U);
  EXPECT_EQ(must(tier_->collect_orphans()), 0U);
  EXPECT_TRUE(must(read_all(*object)) == model.bytes);
  expect_exact();
  object.reset();
  EXPECT_EQ(tier_->used_bytes(), 0U);
  EXPECT_EQ(bytes_on_disk(path_), 0U);
}

TEST_F(PackedTierTest, an_id_is_for_one_object) {
  const PackedModel model = make_plain(noise(1000, 1));
  pack(model, 1);
  EXPECT_TRUE(has_kind(tier_->pack(request_for(model, 1)), ErrorKind::invalid));
  PackRequest request = request_for(model, 2);
  request.plan = plan_chunks(nullptr, model.bytes.size() + 1);
  EXPECT_TRUE(has_kind(tier_->pack(request), ErrorKind::invalid));
  expect_holds(*tier_, 1, model);
}

TEST_F(PackedTierTest, packing_that_ends_early_leaves_nothing) {
  const PackedModel kept = make_model({bf16_tensor("a", 3 * kMillion, 1)});
  pack(kept, 1);
  const std::uint64_t before = tier_->used_bytes();
  const PackedModel model = make_model({bf16_tensor("a", 3 * kMillion, 1), bf16_tensor("b", 9 * kMillion, 2)});
  PackRequest stopped = request_for(model, 2);
  stopped.progress = [](std::uint64_t done) { return done < 9 * kMillion; };
  EXPECT_TRUE(has_kind(tier_->pack(stopped), ErrorKind::cancelled));
  PackRequest crowded = request_for(model, 2);
  std::uint64_t asked = 0;
  crowded.make_room = [&](std::uint64_t bytes) -> base::Result<void> {
    asked += bytes;
    if (asked < 9 * kMillion) return {};
    return base::fail(ErrorKind::no_space, ENOSPC, "the tier is full");
  };
  EXPECT_TRUE(has_kind(tier_->pack(crowded), ErrorKind::no_space));
  PackRequest unreadable = request_for(model, 2);
  unreadable.read = [&](std::span<std::byte>, std::uint64_t offset) -> base::Result<void> {
    if (offset == 0) return {};
    return base::fail(ErrorKind::stale, ESTALE, "the file changed");
  };
  EXPECT_TRUE(has_kind(tier_->pack(unreadable), ErrorKind::stale));
  EXPECT_EQ(tier_->used_bytes(), before);
  expect_exact();
  expect_holds(*tier_, 1, kept);
  pack(model, 2);
  expect_holds(*tier_, 2, model);
}

TEST_F(PackedTierTest, asks_for_room_and_tells_how_far_it_is) {
  const PackedModel model = make_model({bf16_tensor("a", 9 * kMillion, 1)});
  PackRequest request = request_for(model, 1);
  std::uint64_t asked = 0;
  std::uint64_t done = 0;
  request.make_room = [&](std::uint64_t bytes) -> base::Result<void> {
    asked += bytes;
    return {};
  };
  request.progress = [&](std::uint64_t bytes) {
    EXPECT_GT(bytes, done);
    done = bytes;
    return true;
  };
  must(tier_->pack(request));
  EXPECT_EQ(done, model.bytes.size());
  EXPECT_LE(asked, tier_->used_bytes());
  EXPECT_GT(asked, tier_->used_bytes() * 95 / 100);
}

// 512 MiB that nobody has as a whole, half of it a fine-tune of what is there.
TEST_F(PackedTierTest, a_large_object_is_packed_in_little_memory) {
  if (ARENACACHE_IS_SANITIZED) GTEST_SKIP() << "a sanitizer's memory is counted too";
  constexpr std::uint64_t kSize = 512 * base::kMiB;
  constexpr std::uint64_t kMost = 64 * base::kMiB;
  PackedModel model = make_model({bf16_tensor("a", 16 * base::kMiB / 2, 1)});
  const std::uint64_t head = model.table->data_begin();
  PackRequest request = request_for(model, 1);
  request.origin.size = head + kSize;
  request.plan.size = head + kSize;
  request.plan.chunks = {{.offset = 0, .bytes = static_cast<std::uint32_t>(head), .tensor = {}}};
  for (std::uint64_t at = 0; at < kSize; at += kMaxChunkBytes) {
    request.plan.chunks.push_back(
        {.offset = head + at, .bytes = kMaxChunkBytes, .type = codec::ElementType::bf16, .tensor = 0});
  }
  // Each time the 16 MiB come by they are other ones.
  std::uint64_t times = 0;
  request.read = [&](std::span<std::byte> out, std::uint64_t offset) -> base::Result<void> {
    const std::uint64_t at = offset < head ? offset : head + (offset - head) % (16 * base::kMiB);
    std::ranges::copy(std::span(model.bytes).subspan(at, out.size()), out.begin());
    out[0] = static_cast<std::byte>(times++);
    return {};
  };
  std::uint64_t most = 0;
  request.progress = [&](std::uint64_t) {
    most = std::max(most, resident_bytes());
    return true;
  };
  for (const std::uint64_t id : {1U, 2U}) {
    const std::uint64_t before = resident_bytes();
    most = 0;
    times = id * 1000 + id * 77;
    request.id = ObjectId{id};
    const PackedSizes sizes = must(tier_->pack(request));
    EXPECT_EQ(sizes.delta_bytes > kSize / 2, id == 2);
    EXPECT_LE(most - std::min(most, before), kMost);
    std::printf("packing 512 MiB took %llu MiB of memory\n",
                static_cast<unsigned long long>((most - std::min(most, before)) / base::kMiB));
  }
}

TEST_F(PackedTierTest, making_room_may_remove_others) {
  const PackedModel old = make_model({bf16_tensor("a", 300'000, 1)});
  pack(old, 1);
  const PackedModel model = make_model({tuned_tensor("a", 300'000, 1, 0.005), bf16_tensor("b", 300'000, 2)});
  PackRequest request = request_for(model, 2);
  request.make_room = [&](std::uint64_t) { return tier_->remove(ObjectId{1}); };
  must(tier_->pack(request));
  expect_holds(*tier_, 2, model);
  expect_exact();
  must(tier_->remove(ObjectId{2}));
  EXPECT_EQ(bytes_on_disk(path_), 0U);
}

TEST_F(PackedTierTest, what_is_being_packed_is_no_orphan) {
  const PackedModel old = make_model({bf16_tensor("a", 300'000, 1)});
  pack(old, 1);
  std::vector<ModelTensor> tensors = {bf16_tensor("a", 300'000, 1)};
  for (std::uint64_t i = 0; i < 20; ++i) tensors.push_back(bf16_tensor("b" + std::to_string(i), 140'000, 10 + i));
  const PackedModel model = make_model(tensors);
  PackRequest request = request_for(model, 2);
  // At each step: some chunks are written, some have their names, and one was another object's until now.
  request.progress = [&](std::uint64_t done) {
    if (done < 600'000) return true;  // the header alone
    must(tier_->remove(ObjectId{1}));
    EXPECT_EQ(must(tier_->collect_orphans()), 0U);
    return true;
  };
  must(tier_->pack(request));
  expect_holds(*tier_, 2, model);
  expect_exact();
}

TEST_F(PackedTierTest, an_origin_that_changed_is_what_the_next_start_finds) {
  const PackedModel model = make_model({bf16_tensor("a", 300'000, 1)});
  pack(model, 1);
  ObjectOrigin origin = request_for(model, 1).origin;
  origin.path = "renamed/to/something/longer.safetensors";
  must(tier_->rewrite_origin(ObjectId{1}, origin));
  expect_holds(*tier_, 1, model);
  expect_exact();
  origin.size += 1;
  EXPECT_TRUE(has_kind(tier_->rewrite_origin(ObjectId{1}, origin), ErrorKind::invalid));
  EXPECT_TRUE(has_kind(tier_->rewrite_origin(ObjectId{9}, origin), ErrorKind::corrupt));
  origin.size -= 1;
  reopen();
  ASSERT_EQ(inventory_.objects.size(), 1U);
  EXPECT_EQ(inventory_.objects[0].origin, origin);
  expect_holds(*tier_, 1, model);
}

TEST_F(PackedTierTest, what_a_crash_left_is_collected) {
  const PackedModel model = make_model({bf16_tensor("a", 300'000, 1)});
  pack(model, 1);
  const std::string chunk = files_below(path_ + "/chunks").front();
  const std::string folder = chunk.substr(0, chunk.find_last_of('/'));
  const std::string name = chunk.substr(chunk.find_last_of('/') + 1);
  const std::string orphan = name.substr(0, 31) + (name.back() == '0' ? '1' : '0');
  std::filesystem::copy_file(chunk, folder + "/" + orphan);
  std::filesystem::copy_file(chunk, folder + "/" + orphan + ".0.tmp");
  dir_.write_file("tier/objects/05/0000000000000005.pack.7.tmp", "half a manifest");
  EXPECT_EQ(must(tier_->collect_orphans()), 3U);
  expect_exact();
  expect_holds(*tier_, 1, model);
}

TEST_F(PackedTierTest, one_daemon_has_the_folder) {
  PackedInventory inventory;
  const auto second = PackedTier::open(io_, path_, inventory);
  ASSERT_TRUE(has_kind(second, ErrorKind::invalid));
  EXPECT_NE(second.error().what.find("packed tier"), std::string::npos) << second.error().what;
}

}  // namespace
}  // namespace arenacache::store
