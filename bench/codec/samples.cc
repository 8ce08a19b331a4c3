// SPDX-License-Identifier: Apache-2.0
#include "samples.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/model/dtype.h"
#include "arenacache/model/header.h"
#include "arenacache/model/tensor_table.h"
#include "codec/weights.h"

namespace arenacache::bench {

namespace {

using codec::ElementType;
using Bytes = std::vector<std::byte>;

constexpr std::size_t kMadeWeights = std::size_t{4} << 20;
constexpr std::size_t kChannel = 4096;

void add_forms(std::vector<Sample>& samples, const std::string& weights, std::span<const float> values) {
  for (const ElementType type : {ElementType::f64, ElementType::f32, ElementType::f16, ElementType::bf16,
                                 ElementType::f8_e4m3, ElementType::f8_e5m2, ElementType::q8_0, ElementType::q4_0}) {
    samples.push_back({weights, std::string(to_string(type)), type, test::cast(values, type), {}});
  }
  for (const ElementType type : {ElementType::f16, ElementType::bf16}) {
    const std::string form = "f32 of " + std::string(to_string(type)) + " values";
    samples.push_back({weights, form, ElementType::f32, test::rounded_f32(values, type), {}});
  }
  constexpr std::uint64_t kSeed =
      1234567;  // not one that made the values, or the change would be in proportion to them
  const Bytes base = test::cast(values, ElementType::bf16);
  for (const double change : {0.001, 0.005, 0.02}) {
    const Bytes tuned = test::cast(test::fine_tuned(values, change, kSeed), ElementType::bf16);
    const std::string amount = std::to_string(change).substr(0, 5);
    samples.push_back({weights, "bf16, changed by " + amount, ElementType::bf16, tuned, base});
    Bytes differing = tuned;
    for (std::size_t i = 0; i < differing.size(); ++i) differing[i] ^= base[i];
    // What XOR gives has no exponent; f16's planes are the plain bytes.
    samples.push_back({weights, "the same by XOR, " + amount, ElementType::f16, std::move(differing), {}});
  }
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  Bytes bytes(std::filesystem::file_size(path, error));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

/// Appends the tensors of `file` that are of `dtype`.
base::Result<void> take_tensors(const Bytes& file, model::DType dtype, Bytes& out) {
  AC_ASSIGN(const auto reading, model::read_header(file, file.size()));
  const auto* table = std::get_if<model::TensorTable>(&reading);
  if (table == nullptr) return base::fail(base::ErrorKind::invalid, 0, "a model file ends in its header");
  for (std::size_t i = 0; i < table->size(); ++i) {
    const model::Tensor tensor = table->at(i);
    if (tensor.dtype != dtype) continue;
    const auto bytes = std::span(file).subspan(tensor.begin, tensor.end - tensor.begin);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return {};
}

}  // namespace

std::vector<Sample> made_samples() {
  std::vector<Sample> samples;
  add_forms(samples, "gaussian", test::gaussian_weights(kMadeWeights, 1));
  add_forms(samples, "channels", test::channel_weights(kMadeWeights, kChannel, 2));
  return samples;
}

base::Result<std::vector<Sample>> real_samples(const std::filesystem::path& folder) {
  Bytes singles;
  Bytes halves;
  Bytes brains;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".safetensors") continue;
    const Bytes file = read_file(entry.path());
    AC_TRY(take_tensors(file, model::DType::f32, singles));
    AC_TRY(take_tensors(file, model::DType::f16, halves));
    AC_TRY(take_tensors(file, model::DType::bf16, brains));
  }
  std::vector<Sample> samples;
  if (!singles.empty()) {
    std::vector<float> values(singles.size() / sizeof(float));
    std::memcpy(values.data(), singles.data(), values.size() * sizeof(float));
    add_forms(samples, "real", values);
  }
  if (!halves.empty()) samples.push_back({"real", "f16 as stored", ElementType::f16, halves, {}});
  if (!brains.empty()) samples.push_back({"real", "bf16 as stored", ElementType::bf16, brains, {}});
  if (samples.empty()) {
    return base::fail(base::ErrorKind::invalid, 0, folder.string() + " has no .safetensors file with weights in it");
  }
  return samples;
}

}  // namespace arenacache::bench
