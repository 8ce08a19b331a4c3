// SPDX-License-Identifier: Apache-2.0
#include "codec_seeds.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arenacache/codec/element_type.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/codec/frame.h"
#include "codec/weights.h"
#include "codec_input.h"

namespace arenacache::fuzz {

namespace {

using codec::ElementType;
using Bytes = std::vector<std::byte>;

/// Enough for code tables and escapes, and little enough to be changed millions of times.
constexpr std::size_t kWeights = 1500;

std::string input(CodecWork work, ElementType type, std::span<const std::byte> bytes) {
  std::string out = {static_cast<char>(work), static_cast<char>(type)};
  for (const std::byte each : bytes) out.push_back(static_cast<char>(each));
  return out;
}

void add(std::vector<CodecSeed>& seeds, const std::string& name, ElementType type, const Bytes& block,
         codec::Level level) {
  codec::Encoder encoder({.level = level});
  Bytes frame(codec::frame_bound(block.size()));
  frame.resize(encoder.encode(block, type, frame));
  seeds.push_back({name + "_frame", input(CodecWork::frame, type, frame)});
  seeds.push_back({name + "_block", input(CodecWork::block, type, block)});
  Bytes body = {static_cast<std::byte>(block.size() & 0xFFU), static_cast<std::byte>(block.size() >> 8U)};
  body.insert(body.end(), frame.begin() + codec::kFrameHeadBytes, frame.end());
  seeds.push_back({name + "_planes", input(CodecWork::planes, type, body)});
}

}  // namespace

std::vector<CodecSeed> codec_seeds() {
  std::vector<CodecSeed> seeds;
  const auto weights = test::channel_weights(kWeights, kWeights / 3, 1);
  for (std::uint8_t number = 0; number < codec::kElementTypes; ++number) {
    const ElementType type = *codec::element_type_of(number);
    const Bytes block = test::cast(weights, test::is_castable(type) ? type : ElementType::f16);
    add(seeds, std::string(to_string(type)), type, block, codec::Level::fast);
  }
  add(seeds, "narrow_f32", ElementType::f32, test::rounded_f32(weights, ElementType::bf16), codec::Level::fast);
  add(seeds, "zeros", ElementType::bf16, Bytes(1001), codec::Level::fast);
  add(seeds, "lz4", ElementType::bytes, Bytes(1001), codec::Level::lz4);
  Bytes both = test::cast(test::fine_tuned(weights, 0.01, 2), ElementType::bf16);
  const Bytes base = test::cast(weights, ElementType::bf16);
  both.insert(both.end(), base.begin(), base.end());
  seeds.push_back({"delta", input(CodecWork::delta, ElementType::bf16, both)});
  return seeds;
}

}  // namespace arenacache::fuzz
