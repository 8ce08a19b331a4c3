// SPDX-License-Identifier: Apache-2.0
#include "plane_decoder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "frame_format.h"
#include "layout.h"
#include "pair_table.h"

namespace arenacache::codec {

PlaneDecoder::PlaneDecoder(const Kernels& kernels)
    : kernels_(kernels), pairs_(pair_bytes(kMaxPlaneBytes)), escapes_(kMaxPlaneBytes) {}

std::optional<const std::byte*> PlaneDecoder::decode(FrameReader& frame, std::span<std::byte> room) {
  const auto mode = frame.take_number<std::uint8_t>();
  if (!mode) return std::nullopt;
  if (*mode != static_cast<std::uint8_t>(PlaneMode::pairs)) {
    return decode_simple(static_cast<PlaneMode>(*mode), frame, room);
  }
  if (!decode_pairs(frame, room)) return std::nullopt;
  return room.data();
}

std::optional<const std::byte*> PlaneDecoder::decode_simple(PlaneMode mode, FrameReader& frame,
                                                            std::span<std::byte> room) {
  if (mode == PlaneMode::raw) {
    const auto bytes = frame.take(room.size());
    if (!bytes) return std::nullopt;
    return bytes->data();
  }
  if (mode == PlaneMode::constant) {
    const auto value = frame.take_number<std::uint8_t>();
    if (!value) return std::nullopt;
    std::memset(room.data(), *value, room.size());
    return room.data();
  }
  if (mode != PlaneMode::zstd) return std::nullopt;
  const auto length = frame.take_number<std::uint32_t>();
  if (!length) return std::nullopt;
  const auto bytes = frame.take(*length);
  if (!bytes || !zstd_.decompress(*bytes, room)) return std::nullopt;
  return room.data();
}

bool PlaneDecoder::decode_pairs(FrameReader& frame, std::span<std::byte> plane) {
  const auto codes = frame.take_number<std::uint8_t>();
  if (!codes || *codes == 0 || *codes > PairTable::kMaxCodes) return false;
  PairTable table;
  table.count = *codes;
  const auto bytes = frame.take(table.count);
  const auto escaped = frame.take_number<std::uint32_t>();
  if (!bytes || !escaped || *escaped > plane.size()) return false;
  std::ranges::copy(*bytes, table.bytes.begin());

  const auto inner = [&](std::span<std::byte> room) -> std::optional<const std::byte*> {
    const auto mode = frame.take_number<std::uint8_t>();
    if (!mode) return std::nullopt;
    return decode_simple(static_cast<PlaneMode>(*mode), frame, room);
  };
  const auto pairs = inner(pairs_.span().first(pair_bytes(plane.size())));
  if (!pairs) return false;
  std::span<const std::byte> escapes;
  if (*escaped > 0) {
    const auto listed = inner(escapes_.span().first(*escaped));
    if (!listed) return false;
    escapes = {*listed, *escaped};
  }
  return kernels_.unpack_pairs(table, *pairs, escapes, plane);
}

}  // namespace arenacache::codec
