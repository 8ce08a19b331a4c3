// SPDX-License-Identifier: Apache-2.0
#include "arenacache/codec/frame.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "frame_format.h"

namespace arenacache::codec {

namespace {

// "ACP" and a byte that no text has. Where each field stands: docs/on-disk.md.
constexpr std::array kMagic = {std::byte{'A'}, std::byte{'C'}, std::byte{'P'}, std::byte{0x9F}};
constexpr std::size_t kVersionAt = 4;
constexpr std::size_t kMethodAt = 5;
constexpr std::size_t kTypeAt = 6;
constexpr std::size_t kFlagsAt = 7;
constexpr std::size_t kBlockBytesAt = 8;
constexpr std::size_t kFrameBytesAt = 12;
constexpr std::size_t kChecksumAt = 16;
constexpr std::size_t kReservedAt = 24;
static_assert(kReservedAt + sizeof(std::uint64_t) == kFrameHeadBytes);

constexpr std::uint8_t kFlagDelta = 1;

std::unexpected<base::Error> no_frame(std::string why) {
  return base::fail(base::ErrorKind::corrupt, 0, "no packed frame: " + std::move(why));
}

}  // namespace

base::Result<FrameInfo> read_frame_info(std::span<const std::byte> head) {
  if (head.size() < kFrameHeadBytes) return no_frame(base::text("only ", head.size(), " bytes of a head"));
  if (!std::ranges::equal(head.first(kMagic.size()), kMagic)) return no_frame("it begins otherwise");
  const auto version = std::to_integer<std::uint8_t>(head[kVersionAt]);
  if (version != kFormatVersion) return no_frame(base::text("version ", version));
  const auto method = std::to_integer<std::uint8_t>(head[kMethodAt]);
  const auto type = element_type_of(std::to_integer<std::uint8_t>(head[kTypeAt]));
  const auto flags = std::to_integer<std::uint8_t>(head[kFlagsAt]);
  const bool is_delta = flags == kFlagDelta;
  if (method > static_cast<std::uint8_t>(Method::planes)) return no_frame(base::text("method ", method));
  if (!type) return no_frame("an unknown type of elements");
  if (flags > kFlagDelta || (is_delta && method != static_cast<std::uint8_t>(Method::planes))) {
    return no_frame(base::text("flags ", flags));
  }
  const FrameInfo info{.method = static_cast<Method>(method),
                       .type = *type,
                       .is_delta = is_delta,
                       .block_bytes = load_number<std::uint32_t>(head.subspan(kBlockBytesAt)),
                       .frame_bytes = load_number<std::uint32_t>(head.subspan(kFrameBytesAt)),
                       .checksum = load_number<std::uint64_t>(head.subspan(kChecksumAt))};
  if (info.block_bytes > kMaxBlockBytes) return no_frame(base::text("a block of ", info.block_bytes, " bytes"));
  if (info.frame_bytes < kFrameHeadBytes || info.frame_bytes > frame_bound(info.block_bytes)) {
    return no_frame(base::text("a frame of ", info.frame_bytes, " bytes"));
  }
  if (load_number<std::uint64_t>(head.subspan(kReservedAt)) != 0) return no_frame("a number where none is");
  return info;
}

void write_frame_head(const FrameInfo& info, std::span<std::byte> frame) {
  std::ranges::copy(kMagic, frame.begin());
  frame[kVersionAt] = std::byte{kFormatVersion};
  frame[kMethodAt] = static_cast<std::byte>(info.method);
  frame[kTypeAt] = static_cast<std::byte>(info.type);
  frame[kFlagsAt] = info.is_delta ? std::byte{kFlagDelta} : std::byte{0};
  store_number<std::uint32_t>(frame.subspan(kBlockBytesAt), info.block_bytes);
  store_number<std::uint32_t>(frame.subspan(kFrameBytesAt), info.frame_bytes);
  store_number<std::uint64_t>(frame.subspan(kChecksumAt), info.checksum);
  store_number<std::uint64_t>(frame.subspan(kReservedAt), 0);
}

}  // namespace arenacache::codec
