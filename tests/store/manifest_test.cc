// SPDX-License-Identifier: Apache-2.0
// The files of a packed tier as bytes: what is written is read back, and anything else is refused.
#include "manifest.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/store/chunk.h"
#include "arenacache/store/ids.h"
#include "chunk_file.h"
#include "packed_names.h"
#include "support/matchers.h"

namespace arenacache::store {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::is_ok;
using test::must;

Manifest sample_manifest() {
  Manifest out{.id = ObjectId{77},
               .origin = {.source = "models",
                          .path = "a/b.safetensors",
                          .file_system_id = 3,
                          .inode = 4,
                          .size = 1000 + kMaxChunkBytes + 5,
                          .mtime_ns = -9,
                          .ctime_ns = 8},
               .chunks = {{.hash = {.high = 1, .low = 2}, .bytes = 1000, .disk_bytes = 4096, .base = {}},
                          {.hash = {.high = 3, .low = 4},
                           .bytes = kMaxChunkBytes,
                           .disk_bytes = 8192,
                           .base = ManifestChunk::Base{.hash = {.high = 5, .low = 6}, .disk_bytes = 12288}},
                          {.hash = {.high = 1, .low = 3}, .bytes = 5, .disk_bytes = 0, .base = {}}},
               .tensors = {}};
  for (const std::uint8_t width : {std::uint8_t{1}, std::uint8_t{8}}) {
    out.tensors.push_back({.key = 100U + width,
                           .first_chunk = width == 1 ? 0U : 1U,
                           .width = width,
                           .sample = std::vector<std::byte>(kSampleNumbers * width, std::byte{width})});
  }
  return out;
}

/// With the length and the checksum that the bytes should have.
std::vector<std::byte> sealed(std::vector<std::byte> bytes) {
  const auto put = [&](std::size_t at, std::uint64_t value) {
    for (std::size_t i = 0; i < 8; ++i) bytes[at + i] = static_cast<std::byte>(value >> (8 * i));
  };
  put(16, bytes.size());
  put(bytes.size() - 8, base::xxh3_64(std::span(bytes).first(bytes.size() - 8)));
  return bytes;
}

TEST(Manifest, comes_back_as_it_was_written) {
  const Manifest manifest = sample_manifest();
  const auto bytes = encode_manifest(manifest);
  const Manifest back = must(decode_manifest(bytes));
  EXPECT_EQ(back.id, manifest.id);
  EXPECT_EQ(back.origin, manifest.origin);
  EXPECT_EQ(back.chunks, manifest.chunks);
  EXPECT_EQ(back.tensors, manifest.tensors);
  EXPECT_EQ(encode_manifest(back), bytes);
}

TEST(Manifest, of_an_empty_object_is_one) {
  const auto bytes = encode_manifest({.id = ObjectId{1}, .origin = {}, .chunks = {}, .tensors = {}});
  EXPECT_TRUE(is_ok(decode_manifest(bytes)));
}

TEST(Manifest, with_any_bit_turned_or_cut_anywhere_is_refused) {
  const auto good = encode_manifest(sample_manifest());
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bytes = good;
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_TRUE(has_kind(decode_manifest(bytes), ErrorKind::corrupt)) << "bit " << bit;
  }
  for (std::size_t length = 0; length < good.size(); ++length) {
    const auto cut = std::span(good).first(length);
    EXPECT_TRUE(has_kind(decode_manifest(cut), ErrorKind::corrupt)) << "length " << length;
  }
}

TEST(Manifest, that_makes_no_sense_is_refused_whatever_its_checksum_says) {
  struct Case {
    std::string name;
    std::size_t at;
    std::vector<std::uint8_t> bytes;
  };
  const std::size_t chunks = 88 + 6 + 15;
  const std::size_t tensors = chunks + 3 * 44;
  const std::vector<Case> cases = {{"flags", 12, {1}},
                                   {"another size", 32, {1}},
                                   {"a source without end", 72, {255, 255, 255, 255}},
                                   {"a path without end", 76, {255, 255, 255, 255}},
                                   {"too many chunks", 80, {255, 255, 255, 255}},
                                   {"a chunk less", 80, {2}},
                                   {"too many tensors", 84, {255, 255, 255, 255}},
                                   {"a tensor less", 84, {1}},
                                   {"an empty chunk", chunks + 16, {0, 0, 0, 0}},
                                   {"a chunk too large", chunks + 16, {0, 0, 0, 1}},
                                   {"too much on the disk", chunks + 20, {0, 0, 0, 2}},
                                   {"a base without a name", chunks + 40, {1}},
                                   {"a chunk as its own base", chunks + 44 + 24, {3, 0, 0, 0, 0, 0, 0, 0, 4}},
                                   {"a tensor before the one before", tensors + 8, {1}},
                                   {"a tensor behind the end", tensors + 13 + 32 + 8, {3}},
                                   {"numbers of three bytes", tensors + 12, {3}},
                                   {"numbers of no bytes", tensors + 12, {0}}};
  for (const Case& each : cases) {
    auto bytes = encode_manifest(sample_manifest());
    for (std::size_t i = 0; i < each.bytes.size(); ++i) bytes[each.at + i] = std::byte{each.bytes[i]};
    EXPECT_TRUE(has_kind(decode_manifest(sealed(bytes)), ErrorKind::corrupt)) << each.name;
  }
  EXPECT_TRUE(is_ok(decode_manifest(sealed(encode_manifest(sample_manifest())))));
}

TEST(ChunkHead, comes_back_and_refuses_any_other_bit) {
  for (const bool has_base : {false, true}) {
    const ChunkHead head{.hash = {.high = 1, .low = 2},
                         .base = has_base ? std::optional(ChunkHash{.high = 3, .low = 4}) : std::nullopt,
                         .bytes = 100,
                         .frame_bytes = 90};
    const ChunkHeadBytes good = encode_chunk_head(head);
    const ChunkHead back = must(decode_chunk_head(good));
    EXPECT_EQ(back.hash, head.hash);
    EXPECT_EQ(back.base, head.base);
    EXPECT_EQ(back.bytes, 100U);
    EXPECT_EQ(back.frame_bytes, 90U);
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      auto bytes = good;
      bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      EXPECT_TRUE(has_kind(decode_chunk_head(bytes), ErrorKind::corrupt)) << "bit " << bit;
    }
    EXPECT_TRUE(has_kind(decode_chunk_head(std::span(good).first(63)), ErrorKind::corrupt));
  }
}

TEST(PackedNames, are_told_from_others) {
  const ChunkHash hash{.high = 0xAB00000000000001, .low = 2};
  const PackedPaths paths("/t");
  EXPECT_EQ(paths.chunk(hash), "/t/chunks/ab/ab000000000000010000000000000002");
  EXPECT_EQ(paths.manifest(ObjectId{0x1CD}), "/t/objects/cd/00000000000001cd.pack");
  EXPECT_EQ(temporary_path("x", 5), "x.5.tmp");
  ASSERT_TRUE(parse_chunk_name(chunk_name(hash)).has_value());
  EXPECT_EQ(parse_chunk_name(chunk_name(hash))->what, hash);
  EXPECT_FALSE(parse_chunk_name(chunk_name(hash))->temporary.has_value());
  EXPECT_EQ(parse_chunk_name(chunk_name(hash) + ".17.tmp")->temporary, 17U);
  EXPECT_EQ(parse_manifest_name("00000000000001cd.pack")->what, ObjectId{0x1CD});
  EXPECT_EQ(parse_manifest_name("00000000000001cd.pack.3.tmp")->temporary, 3U);
  for (const char* name : {"", "ab", "ab000000000000010000000000000002x", "ab00000000000001000000000000000G",
                           "AB000000000000010000000000000002", "ab000000000000010000000000000002.tmp",
                           "ab000000000000010000000000000002..tmp", "ab000000000000010000000000000002.x.tmp"}) {
    EXPECT_FALSE(parse_chunk_name(name).has_value()) << name;
  }
  for (const char* name : {"00000000000001cd", "00000000000001cd.packs", "0000000000001cd.pack",
                           "ffffffffffffffff.pack", "00000000000001cd.pack.-1.tmp"}) {
    EXPECT_FALSE(parse_manifest_name(name).has_value()) << name;
  }
  EXPECT_EQ(parse_fan_out_name("f0"), 0xF0U);
  EXPECT_FALSE(parse_fan_out_name("F0").has_value());
  EXPECT_FALSE(parse_fan_out_name("f00").has_value());
}

}  // namespace
}  // namespace arenacache::store
