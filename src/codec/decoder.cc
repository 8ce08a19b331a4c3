// SPDX-License-Identifier: Apache-2.0
#include "arenacache/codec/decoder.h"

#include <lz4.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/codec/frame.h"
#include "arenacache/codec/instructions.h"
#include "frame_format.h"
#include "grouping.h"
#include "kernels.h"
#include "layout.h"
#include "plane_decoder.h"
#include "segment.h"
#include "zstd_coder.h"

namespace arenacache::codec {

namespace {

std::unexpected<base::Error> undecodable(std::string_view why) {
  return base::fail(base::ErrorKind::corrupt, 0, base::text("a packed frame cannot be decoded: ", why));
}

}  // namespace

class Decoder::State {
 public:
  explicit State(Instructions instructions) : kernels_(kernels_for(instructions)), plane_decoder_(kernels_) {}

  /// @param base empty if there is none.
  base::Result<void> decode(std::span<const std::byte> frame, std::span<const std::byte> base,
                            std::span<std::byte> block);

 private:
  bool decode_body(const FrameInfo& info, std::span<const std::byte> body, std::span<const std::byte> base,
                   std::span<std::byte> block);
  bool decode_planes(const FrameInfo& info, std::span<const std::byte> body, std::span<const std::byte> base,
                     std::span<std::byte> block);
  bool decode_differences(const Layout& layout, FrameReader& reader, std::span<const std::byte> base,
                          std::span<std::byte> elements);
  bool decode_segment(const Layout& layout, FrameReader& reader, std::span<std::byte> elements);

  const Kernels& kernels_;
  PlaneDecoder plane_decoder_;
  ZstdDecoder zstd_;
  base::Xxh3 checksum_;  ///< of the block, as far as it has been decoded
  Segment segment_;
};

base::Result<void> Decoder::State::decode(std::span<const std::byte> frame, std::span<const std::byte> base,
                                          std::span<std::byte> block) {
  AC_ASSIGN(const FrameInfo info, read_frame_info(frame));
  if (info.frame_bytes != frame.size()) return undecodable("it is cut short, or followed by something");
  if (info.block_bytes != block.size()) return undecodable("its block has another size than expected");
  if (info.is_delta && base.size() != block.size()) return undecodable("it needs its base");
  checksum_.reset();
  if (!decode_body(info, frame.subspan(kFrameHeadBytes), base, block)) return undecodable("it is damaged");
  if (checksum_.value() != info.checksum) {
    return undecodable(info.is_delta ? "wrong checksum: it is damaged, or has another base" : "wrong checksum");
  }
  return {};
}

bool Decoder::State::decode_body(const FrameInfo& info, std::span<const std::byte> body,
                                 std::span<const std::byte> base, std::span<std::byte> block) {
  switch (info.method) {
    case Method::store:
      if (body.size() != block.size()) return false;
      std::ranges::copy(body, block.begin());
      break;
    case Method::zstd:
      if (!zstd_.decompress(body, block)) return false;
      break;
    case Method::lz4: {
      // The library takes characters; std::byte may be looked at as such.
      const auto* from =
          reinterpret_cast<const char*>(body.data());  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
      auto* to = reinterpret_cast<char*>(block.data());  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
      const int size = LZ4_decompress_safe(from, to, static_cast<int>(body.size()), static_cast<int>(block.size()));
      if (size < 0 || static_cast<std::size_t>(size) != block.size()) return false;
      break;
    }
    case Method::planes:
      return decode_planes(info, body, base, block);
  }
  checksum_.update(block);
  return true;
}

bool Decoder::State::decode_planes(const FrameInfo& info, std::span<const std::byte> body,
                                   std::span<const std::byte> base, std::span<std::byte> block) {
  Layout layout = layout_of(info.type);
  // Differences have no exponent.
  if (info.is_delta) layout.exponent_first = false;
  FrameReader reader(body);
  const std::size_t whole = block.size() / layout.element_bytes * layout.element_bytes;
  const std::size_t step = layout.segment_elements() * layout.element_bytes;
  for (std::size_t at = 0; at < whole; at += step) {
    const auto elements = block.subspan(at, std::min(step, whole - at));
    const bool is_decoded = info.is_delta
                                ? decode_differences(layout, reader, base.subspan(at, elements.size()), elements)
                                : decode_segment(layout, reader, elements);
    if (!is_decoded) return false;
    checksum_.update(elements);
  }
  const auto rest = reader.take(block.size() - whole);
  if (!rest || !reader.is_at_end()) return false;
  std::ranges::copy(*rest, block.begin() + static_cast<std::ptrdiff_t>(whole));
  checksum_.update(*rest);
  return true;
}

bool Decoder::State::decode_differences(const Layout& layout, FrameReader& reader, std::span<const std::byte> base,
                                        std::span<std::byte> elements) {
  if (can_group(layout)) {
    const auto grouped = segment_.grouped(elements.size());
    if (!decode_segment(layout, reader, grouped)) return false;
    ungroup(layout, base, grouped, elements);
  } else if (!decode_segment(layout, reader, elements)) {
    return false;
  }
  kernels_.add(layout.difference_width(), elements, base);
  return true;
}

bool Decoder::State::decode_segment(const Layout& layout, FrameReader& reader, std::span<std::byte> elements) {
  const std::size_t count = elements.size() / layout.element_bytes;
  if (layout.planes() == 1) {
    const auto plane = plane_decoder_.decode(reader, elements);
    if (!plane) return false;
    if (*plane != elements.data()) std::copy_n(*plane, elements.size(), elements.data());
    return true;
  }
  Planes planes{};
  for (std::size_t i = 0; i < layout.planes(); ++i) {
    const auto plane = plane_decoder_.decode(reader, segment_.plane(layout, i, count));
    if (!plane) return false;
    planes[i] = *plane;
  }
  Segment::merge(kernels_, layout, planes, elements);
  return true;
}

Decoder::Decoder(Instructions instructions) : state_(std::make_unique<State>(instructions)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

base::Result<void> Decoder::decode(std::span<const std::byte> frame, std::span<std::byte> block) {
  return state_->decode(frame, {}, block);
}

base::Result<void> Decoder::decode_delta(std::span<const std::byte> frame, std::span<const std::byte> base,
                                         std::span<std::byte> block) {
  return state_->decode(frame, base, block);
}

}  // namespace arenacache::codec
