// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/pack_plan.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "arenacache/codec/element_type.h"
#include "arenacache/model/header.h"
#include "arenacache/model/tensor_table.h"
#include "arenacache/store/chunk.h"
#include "model/model_files.h"
#include "support/matchers.h"

namespace arenacache::store {
namespace {

using codec::ElementType;
using test::must;

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;

struct Spec {
  std::string name;
  std::string dtype;
  std::uint64_t bytes;
};

struct Planned {
  std::uint64_t data_begin = 0;
  PackPlan plan;
};

std::uint64_t width_of(const std::string& dtype) { return dtype == "F32" ? 4 : dtype == "BF16" ? 2 : 1; }

/// Every chunk in its place, none too large: what must hold of any plan.
void expect_covers(const PackPlan& plan, std::uint64_t size) {
  EXPECT_EQ(plan.size, size);
  std::uint64_t at = 0;
  for (const PlannedChunk& chunk : plan.chunks) {
    EXPECT_EQ(chunk.offset, at);
    EXPECT_GT(chunk.bytes, 0U);
    EXPECT_LE(chunk.bytes, kMaxChunkBytes);
    at += chunk.bytes;
  }
  EXPECT_EQ(at, size);
}

Planned plan_of(const std::vector<Spec>& specs) {
  std::vector<test::SafetensorsEntry> entries;
  std::uint64_t at = 0;
  for (const Spec& spec : specs) {
    entries.push_back({.name = spec.name,
                       .dtype = spec.dtype,
                       .shape = {spec.bytes / width_of(spec.dtype)},
                       .begin = at,
                       .end = at + spec.bytes});
    at += spec.bytes;
  }
  const test::ModelFile file = test::safetensors_file(test::safetensors_json(entries), at);
  const auto reading = must(model::read_header(test::bytes_of(file.head), file.size));
  const auto& table = std::get<model::TensorTable>(reading);
  Planned out{.data_begin = table.data_begin(), .plan = plan_chunks(&table, file.size)};
  expect_covers(out.plan, file.size);
  return out;
}

/// The lengths of the chunks behind the header.
std::vector<std::uint64_t> lengths(const Planned& planned) {
  std::vector<std::uint64_t> out;
  for (const PlannedChunk& chunk : planned.plan.chunks) {
    if (chunk.offset >= planned.data_begin) out.push_back(chunk.bytes);
  }
  return out;
}

TEST(PackPlan, of_what_is_no_model_is_plain_bytes) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, 4 * kMiB, 9 * kMiB + 5}) {
    const PackPlan plan = plan_chunks(nullptr, size);
    expect_covers(plan, size);
    EXPECT_EQ(plan.chunks.size(), (size + 4 * kMiB - 1) / (4 * kMiB));
    for (const PlannedChunk& chunk : plan.chunks) EXPECT_EQ(chunk.type, ElementType::bytes);
  }
}

TEST(PackPlan, begins_a_chunk_with_each_large_tensor_and_cuts_it_from_there) {
  const Planned planned = plan_of({{"a", "BF16", 9 * kMiB}, {"b", "BF16", 256 * kKiB}, {"c", "F32", kMiB}});
  EXPECT_EQ(lengths(planned), (std::vector<std::uint64_t>{4 * kMiB, 4 * kMiB, kMiB, 256 * kKiB, kMiB}));
  EXPECT_EQ(planned.plan.chunks.front().type, ElementType::bytes) << "the header";
  EXPECT_EQ(planned.plan.chunks.front().bytes, planned.data_begin);
  EXPECT_EQ(planned.plan.chunks[1].tensor, 0U);
  EXPECT_EQ(planned.plan.chunks[3].tensor, 0U);
  EXPECT_EQ(planned.plan.chunks[4].tensor, 1U);
  EXPECT_EQ(planned.plan.chunks[5].type, ElementType::f32);
}

TEST(PackPlan, small_neighbours_of_one_type_share_a_chunk) {
  const Planned planned = plan_of({{"a", "F32", 100 * kKiB},
                                   {"b", "F32", 8},
                                   {"c", "BF16", 6},
                                   {"d", "BF16", 256 * kKiB - 2},
                                   {"e", "BF16", 256 * kKiB}});
  EXPECT_EQ(lengths(planned), (std::vector<std::uint64_t>{100 * kKiB + 8, 256 * kKiB + 4, 256 * kKiB}));
  EXPECT_FALSE(planned.plan.chunks[1].tensor.has_value());
  EXPECT_EQ(planned.plan.chunks[1].type, ElementType::f32);
}

TEST(PackPlan, what_small_ones_share_stays_small) {
  std::vector<Spec> specs;
  for (int i = 0; i < 11; ++i) specs.push_back({"t" + std::to_string(10 + i), "BF16", 200 * kKiB});
  EXPECT_EQ(lengths(plan_of(specs)), (std::vector<std::uint64_t>{1000 * kKiB, 1000 * kKiB, 200 * kKiB}));
}

TEST(PackPlan, is_the_same_wherever_the_tensors_lie) {
  const std::vector<Spec> run = {{"a", "F32", 996}, {"b", "F32", 4 * kKiB}, {"c", "BF16", 5 * kMiB}, {"d", "BF16", 10}};
  auto with_more = run;
  with_more.insert(with_more.begin(), {"before", "BF16", 300 * kKiB + 2});
  auto one = lengths(plan_of(run));
  const auto other = lengths(plan_of(with_more));
  one.insert(one.begin(), 300 * kKiB + 2);
  EXPECT_EQ(one, other);
}

TEST(PackPlan, tensors_without_bytes_do_not_matter) {
  EXPECT_EQ(lengths(plan_of({{"a", "F32", 0}, {"b", "F32", 8}, {"c", "F32", 0}, {"d", "F32", 8}, {"e", "F32", 0}})),
            (std::vector<std::uint64_t>{16}));
}

// q6_K, whose elements are 210 bytes; then padding, a gap, and bytes behind the last tensor.
TEST(PackPlan, cuts_at_whole_elements_and_keeps_padding_with_its_tensor) {
  constexpr std::uint64_t kElements = 30'000;
  constexpr std::uint64_t kTensor = kElements * 210;
  constexpr std::uint64_t kPadded = (kTensor + 31) / 32 * 32;
  constexpr std::uint64_t kGap = 32 * kKiB;
  const test::ModelFile file = test::GgufHead(2, 0)
                                   .tensor("a", {kElements * 256}, 14, 0)
                                   .tensor("b", {kElements * 256}, 14, kPadded + kGap)
                                   .file(kPadded + kGap + kTensor + 300);
  const auto reading = must(model::read_header(test::bytes_of(file.head), file.size));
  const auto& table = std::get<model::TensorTable>(reading);
  const Planned planned{.data_begin = table.data_begin(), .plan = plan_chunks(&table, file.size)};
  expect_covers(planned.plan, file.size);
  constexpr std::uint64_t kWhole = 4 * kMiB / 210 * 210;
  // The gap is longer than padding: it is a chunk, with what would have been padding.
  EXPECT_EQ(lengths(planned), (std::vector<std::uint64_t>{kWhole, kTensor - kWhole, kPadded - kTensor + kGap, kWhole,
                                                          kTensor - kWhole, 300}));
  EXPECT_EQ(planned.plan.chunks[1].type, ElementType::q6_k);

  const test::ModelFile dense =
      test::GgufHead(2, 0).tensor("a", {kElements * 256}, 14, 0).tensor("b", {32}, 0, kPadded).file(kPadded + 128);
  const auto dense_reading = must(model::read_header(test::bytes_of(dense.head), dense.size));
  const auto& dense_table = std::get<model::TensorTable>(dense_reading);
  const Planned padded{.data_begin = dense_table.data_begin(), .plan = plan_chunks(&dense_table, dense.size)};
  expect_covers(padded.plan, dense.size);
  EXPECT_EQ(lengths(padded), (std::vector<std::uint64_t>{kWhole, kPadded - kWhole, 128}));
}

TEST(PackPlan, a_table_of_another_file_does_no_harm) {
  const test::ModelFile file = test::many_safetensors(20);
  const auto reading = must(model::read_header(test::bytes_of(file.head), file.size));
  const auto& table = std::get<model::TensorTable>(reading);
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{10}, file.size - 1, file.size + 1000}) {
    expect_covers(plan_chunks(&table, size), size);
  }
}

}  // namespace
}  // namespace arenacache::store
