// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/sidecar.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/store/block_map.h"
#include "arenacache/store/ids.h"
#include "store_objects.h"
#include "support/matchers.h"

namespace arenacache::store {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::must;

/// Ten blocks, some of them there.
Sidecar partial_sidecar() {
  Sidecar sidecar = make_sidecar(ObjectId{0x1122334455667788}, 9 * kBlockBytes + 5, "loras/style \xFF\n.safetensors");
  for (const BlockIndex block : {0U, 2U, 7U, 9U}) sidecar.blocks.set_present(block, 0xABCD0000 + block, true);
  return sidecar;
}

/// Makes bytes that were altered carry a right checksum again: what a program with a bug, or an enemy, would write.
void seal(std::vector<std::byte>& bytes) {
  const std::uint64_t sum = base::xxh3_64(std::span(bytes).first(bytes.size() - sizeof(std::uint64_t)));
  for (std::size_t i = 0; i < sizeof(sum); ++i) {
    bytes[bytes.size() - sizeof(sum) + i] = static_cast<std::byte>((sum >> (8 * i)) & 0xFFU);
  }
}

void expect_equal(const Sidecar& got, const Sidecar& wanted) {
  EXPECT_EQ(got.id, wanted.id);
  EXPECT_EQ(got.origin, wanted.origin);
  EXPECT_EQ(got.resident, wanted.resident);
  ASSERT_EQ(got.blocks.size_blocks(), wanted.blocks.size_blocks());
  for (BlockIndex block = 0; block < wanted.blocks.size_blocks(); ++block) {
    EXPECT_EQ(got.blocks.is_present(block), wanted.blocks.is_present(block)) << block;
    EXPECT_EQ(got.blocks.checksum(block), wanted.blocks.checksum(block)) << block;
    EXPECT_FALSE(got.blocks.is_verified(block)) << "what comes from disk has yet to be verified";
  }
  got.blocks.check_invariants();
}

TEST(Sidecar, round_trip_of_a_partial_object) {
  const Sidecar sidecar = partial_sidecar();
  expect_equal(must(decode_sidecar(encode_sidecar(sidecar))), sidecar);
}

TEST(Sidecar, round_trip_of_resident_objects_of_every_length) {
  for (const std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{1}, kBlockBytes, kBlockBytes + 1, 8 * kBlockBytes, 17 * kBlockBytes}) {
    Sidecar sidecar = make_sidecar(ObjectId{1}, size);
    for (BlockIndex block = 0; block < block_count(size); ++block) sidecar.blocks.set_present(block, block, false);
    sidecar.resident = true;
    expect_equal(must(decode_sidecar(encode_sidecar(sidecar))), sidecar);
  }
}

TEST(Sidecar, round_trip_of_extreme_values) {
  Sidecar sidecar = make_sidecar(ObjectId{std::numeric_limits<std::uint64_t>::max()}, 3, std::string(5000, 'x'));
  sidecar.origin.source.clear();
  sidecar.origin.inode = 0;
  sidecar.origin.file_system_id = std::numeric_limits<std::uint64_t>::max();
  sidecar.origin.mtime_ns = std::numeric_limits<std::int64_t>::min();
  sidecar.origin.ctime_ns = -1;
  expect_equal(must(decode_sidecar(encode_sidecar(sidecar))), sidecar);
}

// docs/on-disk.md gives these offsets: they cannot change without a new format.
TEST(Sidecar, the_bytes_are_where_the_page_says) {
  const std::vector<std::byte> bytes = encode_sidecar(partial_sidecar());
  const auto byte = [&](std::size_t at) { return std::to_integer<unsigned>(bytes.at(at)); };
  EXPECT_EQ(byte(0), 'a');
  EXPECT_EQ(byte(7), 'p');
  EXPECT_EQ(byte(8), 1U) << "format";
  EXPECT_EQ(byte(12), 0U) << "flags";
  EXPECT_EQ(byte(16) + 256 * byte(17), bytes.size());
  EXPECT_EQ(byte(24), 0x88U) << "id, little-endian";
  EXPECT_EQ(byte(31), 0x11U);
  EXPECT_EQ(byte(72), 6U) << "length of the source";
  EXPECT_EQ(byte(76), partial_sidecar().origin.path.size());
  EXPECT_EQ(byte(82), 0x10U) << "block size, 2^20";
  EXPECT_EQ(byte(84), 10U) << "blocks";
  EXPECT_EQ(byte(88), 'm');
  const std::size_t bitmap = 88 + 6 + partial_sidecar().origin.path.size();
  EXPECT_EQ(byte(bitmap), 0b10000101U);
  EXPECT_EQ(byte(bitmap + 1), 0b10U);
  EXPECT_EQ(bytes.size(), bitmap + 2 + std::size_t{10} * 8 + 8);
}

TEST(Sidecar, cut_short_anywhere_it_is_corrupt) {
  const std::vector<std::byte> bytes = encode_sidecar(partial_sidecar());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    ASSERT_TRUE(has_kind(decode_sidecar(std::span(bytes).first(length)), ErrorKind::corrupt)) << length;
  }
  std::vector<std::byte> longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_TRUE(has_kind(decode_sidecar(longer), ErrorKind::corrupt));
}

TEST(Sidecar, any_flipped_bit_makes_it_corrupt) {
  std::vector<std::byte> bytes = encode_sidecar(partial_sidecar());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      const std::byte mask{static_cast<unsigned char>(1U << bit)};
      bytes[at] ^= mask;
      ASSERT_TRUE(has_kind(decode_sidecar(bytes), ErrorKind::corrupt)) << "byte " << at << " bit " << bit;
      bytes[at] ^= mask;
    }
  }
}

TEST(Sidecar, hostile_bytes_with_a_right_checksum_never_crash_and_mean_one_thing) {
  const std::vector<std::byte> good = encode_sidecar(partial_sidecar());
  for (std::size_t at = 0; at < good.size() - sizeof(std::uint64_t); ++at) {
    for (const unsigned value : {0x00U, 0x01U, 0x7FU, 0x80U, 0xFFU}) {
      std::vector<std::byte> bytes = good;
      bytes[at] = static_cast<std::byte>(value);
      seal(bytes);
      const auto decoded = decode_sidecar(bytes);
      if (!decoded) {
        ASSERT_TRUE(has_kind(decoded, ErrorKind::corrupt)) << at;
        continue;
      }
      decoded->blocks.check_invariants();
      ASSERT_EQ(encode_sidecar(*decoded), bytes) << "byte " << at << " was taken but not understood";
    }
  }
}

TEST(Sidecar, an_enormous_size_asks_for_no_memory) {
  std::vector<std::byte> bytes = encode_sidecar(partial_sidecar());
  for (std::size_t at = 32; at < 40; ++at) bytes[at] = std::byte{0xFF};  // the object's size
  for (std::size_t at = 84; at < 88; ++at) bytes[at] = std::byte{0xFF};  // its blocks
  seal(bytes);
  EXPECT_TRUE(has_kind(decode_sidecar(bytes), ErrorKind::corrupt));
}

TEST(Sidecar, resident_with_holes_is_corrupt) {
  std::vector<std::byte> bytes = encode_sidecar(partial_sidecar());
  bytes[12] = std::byte{1};
  seal(bytes);
  EXPECT_TRUE(has_kind(decode_sidecar(bytes), ErrorKind::corrupt));
}

}  // namespace
}  // namespace arenacache::store
