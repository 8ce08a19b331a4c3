// SPDX-License-Identifier: Apache-2.0
// Model files in memory, for tests of the packed tier, and what a test does with them.
// Promises: what is made depends on the arguments only.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/model/header.h"
#include "arenacache/model/tensor_table.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/pack_plan.h"
#include "arenacache/store/packed_tier.h"
#include "codec/weights.h"
#include "model/model_files.h"
#include "support/matchers.h"

namespace arenacache::store {

using Bytes = std::vector<std::byte>;

struct ModelTensor {
  std::string name;
  std::string dtype;  ///< as in a safetensors header
  std::vector<std::uint64_t> shape;
  Bytes bytes;
};

/// A file, and its table if it is a model's.
struct PackedModel {
  Bytes bytes;
  std::optional<model::TensorTable> table;

  [[nodiscard]] const model::TensorTable* table_or_null() const { return table ? &*table : nullptr; }
  [[nodiscard]] PackPlan plan() const { return plan_chunks(table_or_null(), bytes.size()); }
};

inline PackedModel make_model(const std::vector<ModelTensor>& tensors) {
  std::vector<test::SafetensorsEntry> entries;
  Bytes data;
  for (const ModelTensor& tensor : tensors) {
    const std::uint64_t begin = data.size();
    data.insert(data.end(), tensor.bytes.begin(), tensor.bytes.end());
    entries.push_back(
        {.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape, .begin = begin, .end = data.size()});
  }
  const std::string json = test::safetensors_json(entries);
  const test::ModelFile head = test::safetensors_file(json, data.size());
  PackedModel out;
  const auto head_bytes = test::bytes_of(head.head);
  out.bytes.assign(head_bytes.begin(), head_bytes.end());
  out.bytes.insert(out.bytes.end(), data.begin(), data.end());
  const auto reading = test::must(model::read_header(out.bytes, out.bytes.size()));
  out.table = std::get<model::TensorTable>(reading);
  return out;
}

/// A file that is no model.
inline PackedModel make_plain(Bytes bytes) { return {.bytes = std::move(bytes), .table = {}}; }

/// bf16, of `count` weights.
inline ModelTensor bf16_tensor(std::string name, std::size_t count, std::uint64_t seed) {
  return {.name = std::move(name),
          .dtype = "BF16",
          .shape = {count},
          .bytes = test::cast(test::gaussian_weights(count, seed), codec::ElementType::bf16)};
}

/// The same weights, changed a little.
inline ModelTensor tuned_tensor(std::string name, std::size_t count, std::uint64_t seed, double change) {
  const auto weights = test::gaussian_weights(count, seed);
  return {.name = std::move(name),
          .dtype = "BF16",
          .shape = {count},
          .bytes = test::cast(test::fine_tuned(weights, change, seed + 1'000'003), codec::ElementType::bf16)};
}

inline PackRequest request_for(const PackedModel& model, std::uint64_t id) {
  return {.id = ObjectId{id},
          .origin = {.source = "models",
                     .path = "m/" + std::to_string(id) + ".safetensors",
                     .file_system_id = 42,
                     .inode = id + 7,
                     .size = model.bytes.size(),
                     .mtime_ns = -5,
                     .ctime_ns = 6},
          .plan = model.plan(),
          .table = model.table_or_null(),
          .level = codec::Level::fast,
          .read = [&model](std::span<std::byte> out, std::uint64_t offset) -> base::Result<void> {
            std::memcpy(out.data(), model.bytes.data() + offset, out.size());
            return {};
          },
          .make_room = {},
          .progress = {}};
}

inline base::Result<Bytes> read_all(PackedObject& object) {
  Bytes out(object.size());
  for (std::uint32_t i = 0; i < object.chunk_count(); ++i) {
    const auto room = std::span(out).subspan(object.chunk_offset(i), object.chunk_bytes(i));
    AC_TRY(object.read_chunk(i, room));
  }
  return out;
}

/// The object is there, with these bytes.
inline void expect_holds(PackedTier& tier, std::uint64_t id, const PackedModel& model) {
  const auto object = tier.open_object(ObjectId{id});
  ASSERT_TRUE(test::is_ok(object));
  const auto bytes = read_all(**object);
  ASSERT_TRUE(test::is_ok(bytes));
  EXPECT_TRUE(*bytes == model.bytes) << "object " << id << " has other bytes";
}

/// The files below `folder`, by path.
inline std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) out.push_back(entry.path().string());
  }
  std::ranges::sort(out);
  return out;
}

/// What the tier's chunks and manifests take on the disk.
inline std::uint64_t bytes_on_disk(const std::string& tier) {
  std::uint64_t total = 0;
  for (const std::string& folder : {tier + "/chunks", tier + "/objects"}) {
    for (const std::string& path : files_below(folder)) {
      struct stat raw = {};
      EXPECT_EQ(::stat(path.c_str(), &raw), 0) << path;
      total += static_cast<std::uint64_t>(raw.st_blocks) * 512;
    }
  }
  return total;
}

}  // namespace arenacache::store
