// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/sidecar.h"

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/block_map.h"
#include "arenacache/store/ids.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

// docs/on-disk.md, "The sidecar", has every byte.
constexpr std::array<char, 8> kMagic = {'a', 'r', 'e', 'n', 'a', 'm', 'a', 'p'};
constexpr std::uint32_t kFormat = 1;
constexpr std::uint32_t kFlagResident = 1;
constexpr std::size_t kHeaderBytes = 88;
constexpr std::size_t kChecksumBytes = sizeof(std::uint64_t);
constexpr std::size_t kBitsPerByte = 8;

std::size_t bitmap_bytes(BlockIndex blocks) { return (std::size_t{blocks} + kBitsPerByte - 1) / kBitsPerByte; }

/// Appends little-endian numbers and bytes.
class Encoder {
 public:
  explicit Encoder(std::size_t total) { out_.reserve(total); }

  template <std::unsigned_integral T>
  void put(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      out_.push_back(static_cast<std::byte>((std::uint64_t{value} >> (i * kBitsPerByte)) & 0xFFU));
    }
  }
  void put(std::string_view bytes) {
    for (const char c : bytes) out_.push_back(static_cast<std::byte>(c));
  }
  std::vector<std::byte>& bytes() { return out_; }

 private:
  std::vector<std::byte> out_;
};

/// Takes little-endian numbers and bytes from the front. The caller has checked that they are there.
class Decoder {
 public:
  explicit Decoder(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T take() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::to_integer<std::uint64_t>(rest_[i]) << (i * kBitsPerByte);
    rest_ = rest_.subspan(sizeof(T));
    return static_cast<T>(value);
  }
  std::string take_text(std::size_t length) {
    std::string out;
    out.reserve(length);
    for (const std::byte b : take_bytes(length)) out.push_back(static_cast<char>(b));
    return out;
  }
  std::span<const std::byte> take_bytes(std::size_t length) {
    const auto out = rest_.first(length);
    rest_ = rest_.subspan(length);
    return out;
  }
  [[nodiscard]] std::size_t rest_bytes() const { return rest_.size(); }

 private:
  std::span<const std::byte> rest_;
};

/// The fixed part, as it stands in the file.
struct Header {
  std::uint32_t flags = 0;
  std::uint32_t source_length = 0;
  std::uint32_t path_length = 0;
  std::uint32_t block_bytes = 0;
  std::uint32_t blocks = 0;
};

std::unexpected<base::Error> corrupt(std::string_view why) {
  return base::fail(ErrorKind::corrupt, 0, base::text("cannot trust a block map: ", why));
}

/// Magic, format, length and checksum: what must hold before any other byte is believed.
base::Result<void> check_frame(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderBytes + kChecksumBytes) return corrupt("it is cut short");
  Decoder in(bytes);
  if (in.take_text(kMagic.size()) != std::string_view(kMagic.data(), kMagic.size()))
    return corrupt("it is no block map");
  if (const auto format = in.take<std::uint32_t>(); format != kFormat) {
    return corrupt(base::text("it is of format ", format, ", not ", kFormat));
  }
  in.take<std::uint32_t>();  // flags
  if (in.take<std::uint64_t>() != bytes.size()) return corrupt("its length is not what it says");
  const auto body = bytes.first(bytes.size() - kChecksumBytes);
  if (Decoder(bytes.last(kChecksumBytes)).take<std::uint64_t>() != base::xxh3_64(body))
    return corrupt("its checksum is wrong");
  return {};
}

/// A checksum proves who wrote it, not that it makes sense: every length is compared with what is there before it is used.
base::Result<void> check_header(const Header& header, std::uint64_t object_size, std::uint64_t rest_bytes) {
  if ((header.flags & ~kFlagResident) != 0) return corrupt("it has unknown flags");
  if (header.block_bytes != kBlockBytes) return corrupt(base::text("its blocks have ", header.block_bytes, " bytes"));
  const std::uint64_t blocks = object_size / kBlockBytes + (object_size % kBlockBytes != 0 ? 1 : 0);
  if (header.blocks != blocks) return corrupt("its number of blocks does not fit its size");
  const std::uint64_t expected = std::uint64_t{header.source_length} + header.path_length +
                                 bitmap_bytes(header.blocks) + blocks * sizeof(std::uint64_t) + kChecksumBytes;
  if (expected != rest_bytes) return corrupt("its lengths do not add up");
  return {};
}

base::Result<BlockMap> decode_blocks(Decoder& in, std::uint64_t object_size, BlockIndex blocks) {
  const auto bitmap = in.take_bytes(bitmap_bytes(blocks));
  BlockMap out(object_size);
  for (BlockIndex block = 0; block < blocks; ++block) {
    const auto checksum = in.take<std::uint64_t>();
    const auto bits = std::to_integer<unsigned>(bitmap[block / kBitsPerByte]);
    const bool is_present = ((bits >> (block % kBitsPerByte)) & 1U) != 0;
    if (is_present) {
      out.set_present(block, checksum, false);
    } else if (checksum != 0) {
      return corrupt("it has a checksum of a block that is not there");
    }
  }
  if (blocks % kBitsPerByte != 0 && (std::to_integer<unsigned>(bitmap.back()) >> (blocks % kBitsPerByte)) != 0) {
    return corrupt("it marks blocks behind its end");
  }
  return out;
}

std::string encode_bitmap(const BlockMap& map) {
  std::string bitmap(bitmap_bytes(map.size_blocks()), '\0');
  for (BlockIndex block = 0; block < map.size_blocks(); ++block) {
    if (!map.is_present(block)) continue;
    char& byte = bitmap[block / kBitsPerByte];
    byte = static_cast<char>(static_cast<unsigned char>(byte) | (1U << (block % kBitsPerByte)));
  }
  return bitmap;
}

}  // namespace

std::vector<std::byte> encode_sidecar(const Sidecar& sidecar) {
  const ObjectOrigin& origin = sidecar.origin;
  const BlockIndex blocks = sidecar.blocks.size_blocks();
  AC_CHECK(blocks == block_count(origin.size));
  AC_CHECK(!sidecar.resident || sidecar.blocks.is_complete());
  const std::size_t total = kHeaderBytes + origin.source.size() + origin.path.size() + bitmap_bytes(blocks) +
                            std::size_t{blocks} * sizeof(std::uint64_t) + kChecksumBytes;
  Encoder out(total);
  out.put(std::string_view(kMagic.data(), kMagic.size()));
  out.put(kFormat);
  out.put(sidecar.resident ? kFlagResident : std::uint32_t{0});
  out.put(std::uint64_t{total});
  out.put(to_number(sidecar.id));
  out.put(origin.size);
  out.put(origin.file_system_id);
  out.put(origin.inode);
  out.put(std::bit_cast<std::uint64_t>(origin.mtime_ns));
  out.put(std::bit_cast<std::uint64_t>(origin.ctime_ns));
  out.put(static_cast<std::uint32_t>(origin.source.size()));
  out.put(static_cast<std::uint32_t>(origin.path.size()));
  out.put(static_cast<std::uint32_t>(kBlockBytes));
  out.put(blocks);
  AC_CHECK(out.bytes().size() == kHeaderBytes);
  out.put(std::string_view(origin.source));
  out.put(std::string_view(origin.path));
  out.put(std::string_view(encode_bitmap(sidecar.blocks)));
  for (BlockIndex block = 0; block < blocks; ++block) out.put(sidecar.blocks.checksum(block));
  out.put(base::xxh3_64(out.bytes()));
  AC_CHECK(out.bytes().size() == total);
  return std::move(out.bytes());
}

base::Result<Sidecar> decode_sidecar(std::span<const std::byte> bytes) {
  AC_TRY(check_frame(bytes));
  Decoder in(bytes);
  in.take_bytes(kMagic.size() + sizeof(kFormat));
  Header header;
  Sidecar out;
  header.flags = in.take<std::uint32_t>();
  in.take<std::uint64_t>();  // total length
  out.id = ObjectId{in.take<std::uint64_t>()};
  out.origin.size = in.take<std::uint64_t>();
  out.origin.file_system_id = in.take<std::uint64_t>();
  out.origin.inode = in.take<std::uint64_t>();
  out.origin.mtime_ns = std::bit_cast<std::int64_t>(in.take<std::uint64_t>());
  out.origin.ctime_ns = std::bit_cast<std::int64_t>(in.take<std::uint64_t>());
  header.source_length = in.take<std::uint32_t>();
  header.path_length = in.take<std::uint32_t>();
  header.block_bytes = in.take<std::uint32_t>();
  header.blocks = in.take<std::uint32_t>();
  AC_TRY(check_header(header, out.origin.size, in.rest_bytes()));
  out.origin.source = in.take_text(header.source_length);
  out.origin.path = in.take_text(header.path_length);
  AC_ASSIGN(out.blocks, decode_blocks(in, out.origin.size, header.blocks));
  out.resident = (header.flags & kFlagResident) != 0;
  if (out.resident && !out.blocks.is_complete()) return corrupt("it calls an object resident that has holes");
  return out;
}

}  // namespace arenacache::store
