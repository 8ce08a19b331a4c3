// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/sidecar.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/block_map.h"
#include "little_endian.h"
#include "object_record.h"

namespace arenacache::store {

namespace {

// docs/on-disk.md, "The sidecar", has every byte.
constexpr std::uint32_t kFlagResident = 1;
constexpr RecordKind kMapKind = {.magic = "arenamap", .noun = "a block map", .flags = kFlagResident};
constexpr std::size_t kBlocksPerByte = 8;

std::size_t bitmap_bytes(BlockIndex blocks) { return (std::size_t{blocks} + kBlocksPerByte - 1) / kBlocksPerByte; }

std::unexpected<base::Error> corrupt_map(std::string_view why) { return corrupt_record(kMapKind, why); }

/// A checksum proves who wrote it, not that it makes sense: every length is compared with what is there before it is used.
base::Result<void> check_blocks(const RecordHead& head, std::uint64_t rest_bytes) {
  const std::uint32_t block_bytes = head.first;
  if (block_bytes != kBlockBytes) return corrupt_map(base::text("its blocks have ", block_bytes, " bytes"));
  const std::uint64_t blocks = head.origin.size / kBlockBytes + (head.origin.size % kBlockBytes != 0 ? 1 : 0);
  if (head.second != blocks) return corrupt_map("its number of blocks does not fit its size");
  const std::uint64_t expected = bitmap_bytes(head.second) + blocks * sizeof(std::uint64_t) + kRecordChecksumBytes;
  if (expected != rest_bytes) return corrupt_map("its lengths do not add up");
  return {};
}

base::Result<BlockMap> decode_blocks(LittleEndianReader& in, std::uint64_t object_size, BlockIndex blocks) {
  const auto bitmap = in.take_bytes(bitmap_bytes(blocks));
  BlockMap out(object_size);
  for (BlockIndex block = 0; block < blocks; ++block) {
    const auto checksum = in.take<std::uint64_t>();
    const auto bits = std::to_integer<unsigned>(bitmap[block / kBlocksPerByte]);
    const bool is_present = ((bits >> (block % kBlocksPerByte)) & 1U) != 0;
    if (is_present) {
      out.set_present(block, checksum, false);
    } else if (checksum != 0) {
      return corrupt_map("it has a checksum of a block that is not there");
    }
  }
  if (blocks % kBlocksPerByte != 0 && (std::to_integer<unsigned>(bitmap.back()) >> (blocks % kBlocksPerByte)) != 0) {
    return corrupt_map("it marks blocks behind its end");
  }
  return out;
}

std::string encode_bitmap(const BlockMap& map) {
  std::string bitmap(bitmap_bytes(map.size_blocks()), '\0');
  for (BlockIndex block = 0; block < map.size_blocks(); ++block) {
    if (!map.is_present(block)) continue;
    char& byte = bitmap[block / kBlocksPerByte];
    byte = static_cast<char>(static_cast<unsigned char>(byte) | (1U << (block % kBlocksPerByte)));
  }
  return bitmap;
}

}  // namespace

std::vector<std::byte> encode_sidecar(const Sidecar& sidecar) {
  const BlockIndex blocks = sidecar.blocks.size_blocks();
  AC_CHECK(blocks == block_count(sidecar.origin.size));
  AC_CHECK(!sidecar.resident || sidecar.blocks.is_complete());
  const std::size_t total =
      record_bytes(sidecar.origin, bitmap_bytes(blocks) + std::size_t{blocks} * sizeof(std::uint64_t));
  LittleEndianWriter out(total);
  put_record(kMapKind,
             {.flags = sidecar.resident ? kFlagResident : 0,
              .id = sidecar.id,
              .origin = sidecar.origin,
              .first = static_cast<std::uint32_t>(kBlockBytes),
              .second = blocks},
             total, out);
  out.put(std::string_view(encode_bitmap(sidecar.blocks)));
  for (BlockIndex block = 0; block < blocks; ++block) out.put(sidecar.blocks.checksum(block));
  end_record(out);
  AC_CHECK(out.bytes().size() == total);
  return std::move(out.bytes());
}

base::Result<Sidecar> decode_sidecar(std::span<const std::byte> bytes) {
  LittleEndianReader in(bytes);
  AC_ASSIGN(RecordHead head, take_record(kMapKind, bytes, in));
  AC_TRY(check_blocks(head, in.rest_bytes()));
  Sidecar out;
  out.id = head.id;
  out.origin = std::move(head.origin);
  AC_ASSIGN(out.blocks, decode_blocks(in, out.origin.size, head.second));
  out.resident = (head.flags & kFlagResident) != 0;
  if (out.resident && !out.blocks.is_complete()) return corrupt_map("it calls an object resident that has holes");
  return out;
}

}  // namespace arenacache::store
