// SPDX-License-Identifier: Apache-2.0
// bench_packed [FOLDER [MIB]]: how fast one thread packs a model into a tier in FOLDER, new, again, and as a fine-tune, and reads it
// back past the page cache. Everything is removed in the end.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/model/header.h"
#include "arenacache/model/tensor_table.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/pack_plan.h"
#include "arenacache/store/packed_tier.h"
#include "codec/weights.h"
#include "model/model_files.h"

namespace {

using namespace arenacache;
using Bytes = std::vector<std::byte>;

constexpr std::size_t kTensorBytes = 32 * base::kMiB;

template <class T>
T must(base::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "bench_packed: %s\n", result.error().what.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Model {
  Bytes bytes;
  model::TensorTable table;
};

/// bf16 tensors of 32 MiB, the same for the same arguments. @param change 0: the base; else its fine-tune.
Model make_model(std::size_t tensors, double change) {
  std::vector<test::SafetensorsEntry> entries;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < tensors; ++i) names.push_back("layer." + std::to_string(i) + ".weight");
  Bytes data;
  for (std::size_t i = 0; i < tensors; ++i) {
    auto weights = test::gaussian_weights(kTensorBytes / 2, i);
    if (change > 0) weights = test::fine_tuned(weights, change, i + 1'000'003);
    const Bytes tensor = test::cast(weights, codec::ElementType::bf16);
    entries.push_back({.name = names[i],
                       .dtype = "BF16",
                       .shape = {kTensorBytes / 2},
                       .begin = data.size(),
                       .end = data.size() + tensor.size()});
    data.insert(data.end(), tensor.begin(), tensor.end());
  }
  const test::ModelFile head = test::safetensors_file(test::safetensors_json(entries), data.size());
  Model out;
  const auto head_bytes = test::bytes_of(head.head);
  out.bytes.assign(head_bytes.begin(), head_bytes.end());
  out.bytes.insert(out.bytes.end(), data.begin(), data.end());
  out.table = std::get<model::TensorTable>(must(model::read_header(out.bytes, out.bytes.size())));
  return out;
}

void tell(const char* what, std::size_t bytes, const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%-28s %6.2f GB/s\n", what, static_cast<double>(bytes) / took.count() / 1e9);
}

void pack(store::PackedTier& tier, const Model& model, std::uint64_t id) {
  const store::PackRequest request{.id = store::ObjectId{id},
                                   .origin = {.source = "bench", .path = "model", .size = model.bytes.size()},
                                   .plan = store::plan_chunks(&model.table, model.bytes.size()),
                                   .table = &model.table,
                                   .level = codec::Level::fast,
                                   .read = [&](std::span<std::byte> out, std::uint64_t offset) -> base::Result<void> {
                                     std::ranges::copy(std::span(model.bytes).subspan(offset, out.size()), out.begin());
                                     return {};
                                   },
                                   .make_room = {},
                                   .progress = {}};
  const auto sizes = must(tier.pack(request));
  std::printf("  stored %.4f of its size\n",
              static_cast<double>(sizes.stored_bytes) / static_cast<double>(sizes.logical_bytes));
}

void read(store::PackedTier& tier, const Model& model, std::uint64_t id) {
  const auto object = must(tier.open_object(store::ObjectId{id}));
  Bytes room(store::kMaxChunkBytes);
  for (std::uint32_t i = 0; i < object->chunk_count(); ++i) {
    const auto out = std::span(room).first(object->chunk_bytes(i));
    must(object->read_chunk(i, out));
    if (std::ranges::equal(out, std::span(model.bytes).subspan(object->chunk_offset(i), out.size()))) continue;
    std::fputs("bench_packed: other bytes than were packed\n", stderr);
    std::exit(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path folder = std::filesystem::path(argc > 1 ? argv[1] : "/var/tmp") / "bench-packed-tier";
  const std::size_t mebibytes = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 512;
  const std::size_t tensors = std::max<std::size_t>(1, mebibytes * base::kMiB / kTensorBytes);
  const Model model = make_model(tensors, 0);
  const Model tuned = make_model(tensors, 0.005);
  const std::size_t bytes = model.bytes.size();
  {
    base::PosixFileIo io;
    store::PackedInventory inventory;
    const auto tier = must(store::PackedTier::open(io, folder.string(), inventory));
    tell("pack", bytes, [&] { pack(*tier, model, 1); });
    tell("pack the same again", bytes, [&] { pack(*tier, model, 2); });
    tell("pack a fine-tune of it", bytes, [&] { pack(*tier, tuned, 3); });
    tell("read", bytes, [&] { read(*tier, model, 1); });
    tell("read the fine-tune", bytes, [&] { read(*tier, tuned, 3); });
  }
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  return error ? 1 : 0;
}
