// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a packed frame, as the body of one behind a good head, and as blocks. Decoders for both kinds of
// instructions must agree on everything, and what was encoded must come back.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/codec/decoder.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/codec/frame.h"
#include "arenacache/codec/instructions.h"
#include "codec_input.h"
#include "frame_format.h"

namespace {

using namespace arenacache;
using Bytes = std::vector<std::byte>;
using View = std::span<const std::byte>;

/// Larger blocks teach nothing, and take their time.
constexpr std::size_t kMostBlockBytes = 64 * std::size_t{1024};

struct Coders {
  codec::Encoder best;
  codec::Encoder portable{{.instructions = codec::Instructions::portable}};
  codec::Decoder best_decoder;
  codec::Decoder portable_decoder{codec::Instructions::portable};
};

Coders& coders() {
  static Coders all;
  return all;
}

/// Decodes with both; true if they gave a block.
bool decode(View frame, View base, Bytes& block) {
  Bytes other(block.size());
  const auto result = coders().best_decoder.decode_delta(frame, base, block);
  const auto same = coders().portable_decoder.decode_delta(frame, base, other);
  AC_CHECK(result.has_value() == same.has_value());
  if (!result.has_value()) {
    AC_CHECK(result.error().kind == base::ErrorKind::corrupt);
    return false;
  }
  AC_CHECK(block == other);
  return true;
}

void check_frame(View frame) {
  const auto info = codec::read_frame_info(frame);
  if (!info || info->block_bytes > kMostBlockBytes) return;
  Bytes block(info->block_bytes);
  const Bytes base(info->is_delta ? block.size() : 0);
  if (decode(frame, base, block)) AC_CHECK(base::xxh3_64(View(block)) == info->checksum);
}

void check_planes(codec::ElementType type, View bytes) {
  constexpr std::size_t kSizeBytes = sizeof(std::uint16_t);
  if (bytes.size() < kSizeBytes) return;
  const View body = bytes.subspan(kSizeBytes);
  const codec::FrameInfo info{.method = codec::Method::planes,
                              .type = type,
                              .block_bytes = codec::load_number<std::uint16_t>(bytes),
                              .frame_bytes = static_cast<std::uint32_t>(codec::kFrameHeadBytes + body.size())};
  if (info.frame_bytes > codec::frame_bound(info.block_bytes)) return;
  Bytes frame(codec::kFrameHeadBytes);
  codec::write_frame_head(info, frame);
  frame.insert(frame.end(), body.begin(), body.end());
  check_frame(frame);
}

void check_block(codec::ElementType type, View block, View base) {
  Bytes frame(codec::frame_bound(block.size()));
  Bytes other(frame.size());
  if (base.empty()) {
    frame.resize(coders().best.encode(block, type, frame));
    other.resize(coders().portable.encode(block, type, other));
  } else {
    frame.resize(coders().best.encode_delta(block, base, type, frame));
    other.resize(coders().portable.encode_delta(block, base, type, other));
  }
  AC_CHECK(frame == other);
  Bytes back(block.size());
  AC_CHECK(decode(frame, base, back));
  AC_CHECK(std::ranges::equal(back, block));
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHeadBytes = 2;
  if (size < kHeadBytes) return 0;
  const auto work = static_cast<fuzz::CodecWork>(data[0] % fuzz::kCodecWorks);
  const auto type = *codec::element_type_of(static_cast<std::uint8_t>(data[1] % codec::kElementTypes));
  const View bytes = std::as_bytes(std::span(data, size)).subspan(kHeadBytes);
  switch (work) {
    case fuzz::CodecWork::frame:
      check_frame(bytes);
      break;
    case fuzz::CodecWork::planes:
      check_planes(type, bytes);
      break;
    case fuzz::CodecWork::block:
      check_block(type, bytes, {});
      break;
    case fuzz::CodecWork::delta:
      check_block(type, bytes.first(bytes.size() / 2), bytes.subspan(bytes.size() / 2, bytes.size() / 2));
      break;
  }
  return 0;
}
