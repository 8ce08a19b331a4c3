// SPDX-License-Identifier: Apache-2.0
#include "arenacache/codec/encoder.h"

#include <lz4.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/codec/frame.h"
#include "frame_format.h"
#include "grouping.h"
#include "kernels.h"
#include "layout.h"
#include "plane_encoder.h"
#include "segment.h"
#include "zstd_coder.h"

namespace arenacache::codec {

namespace {

// zstd's levels, for what is not noise.
constexpr int kFast = 3;
constexpr int kHigh = 12;

static_assert(frame_bound(kMaxBlockBytes) <= std::numeric_limits<int>::max(), "LZ4's sizes are ints");

}  // namespace

class Encoder::State {
 public:
  explicit State(const EncoderSettings& settings)
      : level_(settings.level),
        kernels_(kernels_for(settings.instructions)),
        plane_encoder_(kernels_, settings.level == Level::high ? kHigh : kFast, settings.level == Level::high) {}

  /// @param base empty, or as long as `block`.
  std::size_t encode(std::span<const std::byte> block, std::span<const std::byte> base, ElementType type,
                     std::span<std::byte> frame);

 private:
  [[nodiscard]] Method method_for(ElementType type) const;
  std::optional<std::size_t> encode_body(Method method, std::span<const std::byte> block,
                                         std::span<const std::byte> base, ElementType type, std::span<std::byte> room);
  std::optional<std::size_t> encode_planes(std::span<const std::byte> block, std::span<const std::byte> base,
                                           const Layout& layout, std::span<std::byte> room);
  /// What the segment `elements` differs from its base by, as it is coded; valid until the next call.
  std::span<const std::byte> differences(std::span<const std::byte> elements, std::span<const std::byte> base,
                                         const Layout& layout);
  void encode_segment(std::span<const std::byte> elements, const Layout& layout, FrameWriter& out);

  Level level_;
  const Kernels& kernels_;
  PlaneEncoder plane_encoder_;
  ZstdCoder zstd_;
  base::Xxh3 checksum_;  ///< of the block, as far as it has been encoded
  Segment segment_;
};

Method Encoder::State::method_for(ElementType type) const {
  if (level_ == Level::store) return Method::store;
  if (level_ == Level::lz4) return Method::lz4;
  return type == ElementType::bytes ? Method::zstd : Method::planes;
}

std::size_t Encoder::State::encode(std::span<const std::byte> block, std::span<const std::byte> base, ElementType type,
                                   std::span<std::byte> frame) {
  AC_CHECK(block.size() <= kMaxBlockBytes && frame.size() >= frame_bound(block.size()));
  // The same room for everybody: zstd's choices depend on it.
  const auto room = frame.first(frame_bound(block.size())).subspan(kFrameHeadBytes);
  Method method = method_for(type);
  bool is_delta = !base.empty() && (method == Method::planes || method == Method::zstd);
  if (is_delta) method = Method::planes;
  checksum_.reset();
  auto body = encode_body(method, block, is_delta ? base : std::span<const std::byte>(), type, room);
  if (!body || *body >= block.size()) {
    checksum_.reset();
    checksum_.update(block);
    method = Method::store;
    is_delta = false;
    body = block.size();
    std::ranges::copy(block, room.begin());
  }
  const std::size_t frame_bytes = kFrameHeadBytes + *body;
  write_frame_head({.method = method,
                    .type = type,
                    .is_delta = is_delta,
                    .block_bytes = static_cast<std::uint32_t>(block.size()),
                    .frame_bytes = static_cast<std::uint32_t>(frame_bytes),
                    .checksum = checksum_.value()},
                   frame);
  return frame_bytes;
}

std::optional<std::size_t> Encoder::State::encode_body(Method method, std::span<const std::byte> block,
                                                       std::span<const std::byte> base, ElementType type,
                                                       std::span<std::byte> room) {
  switch (method) {
    case Method::store:
      break;
    case Method::zstd:
      checksum_.update(block);
      return zstd_.compress({.work = ZstdWork::search, .level = level_ == Level::high ? kHigh : kFast}, block, room);
    case Method::lz4: {
      checksum_.update(block);
      // The library takes characters; std::byte may be looked at as such.
      const auto* from =
          reinterpret_cast<const char*>(block.data());  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
      auto* to = reinterpret_cast<char*>(room.data());  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
      const int size = LZ4_compress_default(from, to, static_cast<int>(block.size()), static_cast<int>(room.size()));
      if (size <= 0) return std::nullopt;
      return static_cast<std::size_t>(size);
    }
    case Method::planes:
      return encode_planes(block, base, layout_of(type), room);
  }
  return std::nullopt;
}

std::optional<std::size_t> Encoder::State::encode_planes(std::span<const std::byte> block,
                                                         std::span<const std::byte> base, const Layout& layout,
                                                         std::span<std::byte> room) {
  FrameWriter out(room);
  const std::size_t whole = block.size() / layout.element_bytes * layout.element_bytes;
  const std::size_t step = layout.segment_elements() * layout.element_bytes;
  // Differences have no exponent.
  Layout plain = layout;
  plain.exponent_first = false;
  for (std::size_t at = 0; at < whole && !out.is_overfull(); at += step) {
    const auto elements = block.subspan(at, std::min(step, whole - at));
    checksum_.update(elements);
    if (base.empty()) {
      encode_segment(elements, layout, out);
      continue;
    }
    encode_segment(differences(elements, base.subspan(at, elements.size()), layout), plain, out);
  }
  out.put(block.subspan(whole));
  checksum_.update(block.subspan(whole));
  if (out.is_overfull()) return std::nullopt;
  return out.size();
}

std::span<const std::byte> Encoder::State::differences(std::span<const std::byte> elements,
                                                       std::span<const std::byte> base, const Layout& layout) {
  const auto numbers = segment_.numbers(elements.size());
  kernels_.subtract(layout.difference_width(), elements, base, numbers);
  if (!can_group(layout)) return numbers;
  const auto grouped = segment_.grouped(elements.size());
  group(layout, base, numbers, grouped);
  return grouped;
}

void Encoder::State::encode_segment(std::span<const std::byte> elements, const Layout& layout, FrameWriter& out) {
  if (layout.planes() == 1) return plane_encoder_.encode(elements, layout, out);
  const std::size_t count = elements.size() / layout.element_bytes;
  segment_.split(kernels_, layout, elements);
  for (std::size_t i = 0; i < layout.planes(); ++i) {
    plane_encoder_.encode(segment_.plane(layout, i, count), layout, out);
  }
}

Encoder::Encoder(EncoderSettings settings) : state_(std::make_unique<State>(settings)) {}
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;
Encoder::~Encoder() = default;

std::size_t Encoder::encode(std::span<const std::byte> block, ElementType type, std::span<std::byte> frame) {
  return state_->encode(block, {}, type, frame);
}

std::size_t Encoder::encode_delta(std::span<const std::byte> block, std::span<const std::byte> base, ElementType type,
                                  std::span<std::byte> frame) {
  AC_CHECK(base.size() == block.size());
  return state_->encode(block, base, type, frame);
}

}  // namespace arenacache::codec
