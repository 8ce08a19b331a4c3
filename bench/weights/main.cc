// SPDX-License-Identifier: Apache-2.0
// bench_weights FILE MIB SEED: writes a .safetensors of bf16 weights as models have them: layers of 16 MiB, normally distributed,
// with another scale for each channel and layer. The same arguments give the same file.
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/codec/element_type.h"
#include "codec/weights.h"

namespace {

using namespace arenacache;

constexpr std::size_t kLayerBytes = 16 * base::kMiB;
constexpr std::size_t kLayerWeights = kLayerBytes / 2;
constexpr std::size_t kChannel = 4096;

std::optional<std::uint64_t> number(std::string_view word) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

std::string header(std::uint64_t layers) {
  std::string json = R"({"__metadata__":{"format":"pt"})";
  for (std::uint64_t i = 0; i < layers; ++i) {
    json += base::text(R"(,"model.layers.)", i, R"(.weight":{"dtype":"BF16","shape":[)", kLayerWeights / kChannel, ",",
                       kChannel, R"(],"data_offsets":[)", i * kLayerBytes, ",", (i + 1) * kLayerBytes, "]}");
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  std::string out;
  for (unsigned byte = 0; byte < 8; ++byte) out.push_back(static_cast<char>((json.size() >> (8U * byte)) & 0xFFU));
  return out + json;
}

std::vector<std::byte> layer(std::uint64_t seed) {
  std::vector<float> weights = test::channel_weights(kLayerWeights, kChannel, seed);
  const float scale = std::exp2(-static_cast<float>(seed % 5) / 2);
  for (float& each : weights) each *= scale;
  return test::cast(weights, codec::ElementType::bf16);
}

}  // namespace

int main(int argc, char** argv) {
  const auto mib = argc == 4 ? number(argv[2]) : std::nullopt;
  const auto seed = argc == 4 ? number(argv[3]) : std::nullopt;
  if (!mib || !seed) {
    std::fputs("usage: bench_weights FILE MIB SEED\n", stderr);
    return 2;
  }
  const std::uint64_t layers = *mib * base::kMiB / kLayerBytes;
  std::ofstream out(argv[1], std::ios::binary);
  out << header(layers);
  for (std::uint64_t i = 0; i < layers; ++i) {
    const std::vector<std::byte> bytes = layer(*seed + i);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  out.close();
  if (out) return 0;
  std::fprintf(stderr, "bench_weights: cannot write %s\n", argv[1]);
  return 1;
}
