// SPDX-License-Identifier: Apache-2.0
// Frames that nobody encoded: an error, or (where the damage hit nothing that counts) the block; never anything else. What a
// damaged frame may touch is watched by the sanitizers, in CI and in fuzz/codec_fuzz.cc.
#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/codec/decoder.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/codec/frame.h"
#include "arenacache/codec/instructions.h"
#include "codec/weights.h"
#include "frame_format.h"
#include "support/matchers.h"

namespace arenacache::codec {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::is_ok;
using Bytes = std::vector<std::byte>;

Bytes frame_of(const Bytes& block, ElementType type, Level level = Level::fast) {
  Encoder encoder({.level = level});
  Bytes frame(frame_bound(block.size()));
  frame.resize(encoder.encode(block, type, frame));
  return frame;
}

/// A frame with `body` behind a head that is right about it.
Bytes frame_with(const FrameInfo& info, const Bytes& body) {
  FrameInfo head = info;
  head.frame_bytes = static_cast<std::uint32_t>(kFrameHeadBytes + body.size());
  Bytes frame(kFrameHeadBytes);
  write_frame_head(head, frame);
  frame.insert(frame.end(), body.begin(), body.end());
  return frame;
}

void append_number(Bytes& bytes, std::uint32_t value) {
  for (unsigned k = 0; k < 4; ++k) bytes.push_back(static_cast<std::byte>((value >> (8 * k)) & 0xFFU));
}

Bytes zstd_of(const Bytes& bytes) {
  Bytes out(ZSTD_compressBound(bytes.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 1));
  return out;
}

void expect_refused(const Bytes& frame, std::size_t block_bytes) {
  for (const Instructions instructions : {Instructions::best, Instructions::portable}) {
    Decoder decoder(instructions);
    Bytes block(block_bytes);
    EXPECT_TRUE(has_kind(decoder.decode(frame, block), ErrorKind::corrupt));
  }
}

TEST(Hostile, damage_anywhere_is_found) {
  const auto seed = static_cast<std::uint64_t>(testing::UnitTest::GetInstance()->random_seed());
  std::mt19937_64 random(seed);
  const auto weights = test::channel_weights(20'000, 500, 7);
  Decoder decoder;
  for (const Level level : {Level::lz4, Level::fast}) {
    for (const ElementType type : {ElementType::bf16, ElementType::f32, ElementType::f8_e4m3, ElementType::q8_0}) {
      const Bytes block = test::cast(weights, type);
      const Bytes good = frame_of(block, type, level);
      for (int round = 0; round < 1000; ++round) {
        Bytes bad = good;
        // A head that is refused at once teaches little: mostly what is behind it.
        const std::size_t begin = round % 8 == 0 ? 0 : kFrameHeadBytes;
        const std::size_t at = begin + random() % std::min<std::size_t>(bad.size() - begin, 1U << (random() % 16));
        bad[at] = static_cast<std::byte>(random() & 0xFFU);
        if (round % 3 == 0) bad[begin + random() % (bad.size() - begin)] ^= std::byte{1};
        Bytes back(block.size());
        const auto result = decoder.decode(bad, back);
        if (result.has_value()) {
          ASSERT_EQ(back, block) << "seed " << seed;
        } else {
          ASSERT_TRUE(has_kind(result, ErrorKind::corrupt));
        }
      }
    }
  }
}

TEST(Hostile, a_frame_cut_anywhere_is_refused) {
  const Bytes block = test::cast(test::gaussian_weights(3000, 5), ElementType::bf16);
  const Bytes good = frame_of(block, ElementType::bf16);
  Decoder decoder;
  for (std::size_t size = 0; size < good.size(); ++size) {
    Bytes bad(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    Bytes back(block.size());
    ASSERT_TRUE(has_kind(decoder.decode(bad, back), ErrorKind::corrupt));
    if (size < kFrameHeadBytes) continue;
    // The same, and the head knows of it.
    store_number<std::uint32_t>(std::span(bad).subspan(12), static_cast<std::uint32_t>(size));
    ASSERT_TRUE(has_kind(decoder.decode(bad, back), ErrorKind::corrupt));
  }
}

TEST(Hostile, a_frame_followed_by_something_is_refused) {
  const Bytes block = test::cast(test::gaussian_weights(3000, 5), ElementType::bf16);
  Bytes frame = frame_of(block, ElementType::bf16);
  frame.push_back(std::byte{0});
  expect_refused(frame, block.size());
  store_number<std::uint32_t>(std::span(frame).subspan(12), static_cast<std::uint32_t>(frame.size()));
  expect_refused(frame, block.size());
}

TEST(Hostile, a_block_of_another_size_is_refused) {
  const Bytes block = test::cast(test::gaussian_weights(3000, 5), ElementType::bf16);
  const Bytes frame = frame_of(block, ElementType::bf16);
  for (const std::size_t size : {std::size_t{0}, block.size() - 1, block.size() + 1}) expect_refused(frame, size);
}

TEST(Hostile, a_wrong_checksum_is_refused) {
  const Bytes block = test::cast(test::gaussian_weights(3000, 5), ElementType::bf16);
  for (const Level level : {Level::store, Level::lz4, Level::fast}) {
    Bytes frame = frame_of(block, ElementType::bf16, level);
    frame[16] ^= std::byte{1};
    expect_refused(frame, block.size());
  }
}

TEST(Hostile, a_difference_needs_its_own_base) {
  const auto weights = test::gaussian_weights(3000, 5);
  const Bytes base = test::cast(weights, ElementType::bf16);
  const Bytes block = test::cast(test::fine_tuned(weights, 0.01, 6), ElementType::bf16);
  Encoder encoder;
  Bytes frame(frame_bound(block.size()));
  frame.resize(encoder.encode_delta(block, base, ElementType::bf16, frame));
  expect_refused(frame, block.size());
  Decoder decoder;
  Bytes back(block.size());
  EXPECT_TRUE(has_kind(decoder.decode_delta(frame, block, back), ErrorKind::corrupt)) << "another base";
  EXPECT_TRUE(has_kind(decoder.decode_delta(frame, std::span(base).first(10), back), ErrorKind::corrupt));
  EXPECT_TRUE(is_ok(decoder.decode_delta(frame, base, back)));
  EXPECT_EQ(back, block);
}

TEST(Hostile, a_zstd_frame_that_grows_beyond_its_plane_is_refused) {
  const Bytes zeros(1'000'000);
  const Bytes bomb = zstd_of(zeros);
  ASSERT_LT(bomb.size(), 1000U);
  // As a plane of 1,000 bytes.
  Bytes body = {static_cast<std::byte>(PlaneMode::zstd)};
  append_number(body, static_cast<std::uint32_t>(bomb.size()));
  body.insert(body.end(), bomb.begin(), bomb.end());
  const Bytes block(1000);
  const FrameInfo info{
      .method = Method::planes, .type = ElementType::u8, .block_bytes = 1000, .checksum = base::xxh3_64(block)};
  expect_refused(frame_with(info, body), block.size());
  // As the whole block.
  FrameInfo whole = info;
  whole.method = Method::zstd;
  whole.type = ElementType::bytes;
  expect_refused(frame_with(whole, bomb), block.size());
  // And one that stays short of it.
  expect_refused(frame_with(whole, zstd_of(Bytes(999))), block.size());
}

TEST(Hostile, planes_that_cannot_be_are_refused) {
  const FrameInfo info{.method = Method::planes, .type = ElementType::u8, .block_bytes = 100};
  const auto mode = [](PlaneMode each) { return static_cast<std::byte>(each); };
  const std::byte none{0};
  Bytes long_length = {mode(PlaneMode::zstd)};
  append_number(long_length, 0xFFFFFFFFU);
  Bytes pairs_of_pairs = {mode(PlaneMode::pairs), std::byte{1}, std::byte{9}};
  append_number(pairs_of_pairs, 0);
  pairs_of_pairs.push_back(mode(PlaneMode::pairs));
  Bytes many_escapes = {mode(PlaneMode::pairs), std::byte{1}, std::byte{9}};
  append_number(many_escapes, 101);
  Bytes endless_escapes = {mode(PlaneMode::pairs), std::byte{1}, std::byte{9}};
  append_number(endless_escapes, 0xFFFFFFFFU);
  for (Bytes* body : {&many_escapes, &endless_escapes}) {
    for (const std::byte each : {mode(PlaneMode::constant), none, mode(PlaneMode::constant), std::byte{5}}) {
      body->push_back(each);
    }
  }
  Bytes few_escapes = {mode(PlaneMode::pairs), std::byte{1}, std::byte{9}};
  append_number(few_escapes, 1);
  for (const std::byte each : {mode(PlaneMode::constant), none, mode(PlaneMode::constant), std::byte{5}}) {
    few_escapes.push_back(each);
  }
  const std::array<Bytes, 10> bodies = {Bytes{},
                                        Bytes{std::byte{4}},
                                        Bytes{mode(PlaneMode::constant)},
                                        Bytes(50, mode(PlaneMode::raw)),
                                        long_length,
                                        Bytes{mode(PlaneMode::pairs), none, none, none, none, none},
                                        Bytes{mode(PlaneMode::pairs), std::byte{16}},
                                        pairs_of_pairs,
                                        many_escapes,
                                        endless_escapes};
  for (const Bytes& body : bodies) expect_refused(frame_with(info, body), 100);
  expect_refused(frame_with(info, few_escapes), 100);
}

}  // namespace
}  // namespace arenacache::codec
