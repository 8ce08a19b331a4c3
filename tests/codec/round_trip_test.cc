// SPDX-License-Identifier: Apache-2.0
// Every byte comes back: whatever the type, the length, the contents, the level and the machine's instructions.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/units.h"
#include "arenacache/codec/decoder.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/codec/frame.h"
#include "arenacache/codec/instructions.h"
#include "codec/weights.h"
#include "support/matchers.h"

namespace arenacache::codec {
namespace {

using test::is_ok;
using Bytes = std::vector<std::byte>;

constexpr std::array kLevels = {Level::store, Level::lz4, Level::fast, Level::high};

// Lengths that reach every way through the code; a sanitizer, under which all takes ten times as long, gets fewer of them.
constexpr std::array kOddLengths =
    ARENACACHE_IS_SANITIZED ? std::array{1000U, 4097U, 4098U, 17'001U} : std::array{1000U, 4097U, 65'536U, 70'001U};
constexpr std::array kDeltaLengths =
    ARENACACHE_IS_SANITIZED ? std::array{1U, 2U, 63U, 1001U, 17'001U} : std::array{1U, 2U, 63U, 4097U, 70'001U};
constexpr std::array kSegmentTypes = {ElementType::bf16, ElementType::u8, ElementType::f32, ElementType::f64};

std::vector<ElementType> all_types() {
  std::vector<ElementType> types;
  for (std::uint8_t number = 0; number < kElementTypes; ++number) types.push_back(*element_type_of(number));
  return types;
}

/// What encoders for both kinds of instructions say of `block`, which must be the same, and what decoders make of that.
class Coders {
 public:
  explicit Coders(Level level)
      : best_({.level = level}), portable_({.level = level, .instructions = Instructions::portable}) {}

  Bytes encode(const Bytes& block, ElementType type) {
    Bytes frame(frame_bound(block.size()));
    Bytes other(frame.size());
    frame.resize(best_.encode(block, type, frame));
    other.resize(portable_.encode(block, type, other));
    EXPECT_EQ(frame, other) << "the frame depends on the machine's instructions";
    return frame;
  }

  Bytes encode_delta(const Bytes& block, const Bytes& base, ElementType type) {
    Bytes frame(frame_bound(block.size()));
    Bytes other(frame.size());
    frame.resize(best_.encode_delta(block, base, type, frame));
    other.resize(portable_.encode_delta(block, base, type, other));
    EXPECT_EQ(frame, other) << "the frame depends on the machine's instructions";
    return frame;
  }

  void expect_back(const Bytes& block, const Bytes& base, const Bytes& frame) {
    for (Decoder* decoder : {&best_decoder_, &portable_decoder_}) {
      Bytes back(block.size(), std::byte{0xA5});
      const auto result = base.empty() ? decoder->decode(frame, back) : decoder->decode_delta(frame, base, back);
      ASSERT_TRUE(is_ok(result));
      ASSERT_TRUE(back == block);
    }
  }

 private:
  Encoder best_;
  Encoder portable_;
  Decoder best_decoder_;
  Decoder portable_decoder_{Instructions::portable};
};

void expect_round_trip(Coders& coders, const Bytes& block, ElementType type) {
  SCOPED_TRACE(std::string(to_string(type)) + ", " + std::to_string(block.size()) + " bytes");
  coders.expect_back(block, {}, coders.encode(block, type));
}

/// Contents that reach every way of storing a plane, of `count` bytes.
std::vector<Bytes> contents(std::size_t count, std::mt19937_64& random) {
  std::vector<Bytes> all;
  all.emplace_back(count, std::byte{0});
  all.emplace_back(count, std::byte{0xFF});
  Bytes noise(count);
  for (std::byte& each : noise) each = static_cast<std::byte>(random() & 0xFFU);
  all.push_back(noise);
  Bytes skewed(count);
  for (std::byte& each : skewed) each = static_cast<std::byte>(120 + std::countr_zero(random() | 0x10000U));
  all.push_back(skewed);
  Bytes stairs(count);
  for (std::size_t i = 0; i < count; ++i) stairs[i] = static_cast<std::byte>((i / 4) & 0xFFU);
  all.push_back(stairs);
  Bytes mixed = noise;
  for (std::size_t i = 0; i < count; i += 3) mixed[i] = std::byte{0x3F};
  std::fill(mixed.begin() + static_cast<std::ptrdiff_t>(count / 2), mixed.end(), std::byte{7});
  all.push_back(mixed);
  const auto weights = test::gaussian_weights(count / 2 + 1, random());
  Bytes halves = test::cast(weights, ElementType::bf16);
  halves.resize(count);
  all.push_back(halves);
  return all;
}

std::mt19937_64 seeded() {
  return std::mt19937_64(static_cast<std::uint64_t>(testing::UnitTest::GetInstance()->random_seed()));
}

TEST(RoundTrip, every_type_at_every_short_length) {
  auto random = seeded();
  for (const Level level : kLevels) {
    Coders coders(level);
    for (const ElementType type : all_types()) {
      for (std::size_t count = 0; count < 70; ++count) {
        for (const Bytes& block : contents(count, random)) expect_round_trip(coders, block, type);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(RoundTrip, every_type_at_odd_lengths) {
  auto random = seeded();
  for (const Level level : kLevels) {
    Coders coders(level);
    for (const ElementType type : all_types()) {
      for (const std::size_t count : kOddLengths) {
        for (const Bytes& block : contents(count, random)) expect_round_trip(coders, block, type);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(RoundTrip, around_the_ends_of_segments) {
  constexpr std::size_t kElements = 131'072;
  auto random = seeded();
  Coders coders(Level::fast);
  for (const ElementType type : std::span(kSegmentTypes).first(ARENACACHE_IS_SANITIZED ? 1 : kSegmentTypes.size())) {
    for (const std::size_t count : {kElements - 1, kElements, kElements + 1, 2 * kElements + 7}) {
      const std::size_t bytes = count * element_bytes(type);
      for (const Bytes& block : contents(bytes, random)) expect_round_trip(coders, block, type);
      expect_round_trip(coders, contents(bytes + 1, random).back(), type);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(RoundTrip, the_largest_block) {
  Coders coders(Level::fast);
  const Bytes block = test::cast(test::gaussian_weights(kMaxBlockBytes / 2, 1), ElementType::bf16);
  ASSERT_EQ(block.size(), kMaxBlockBytes);
  expect_round_trip(coders, block, ElementType::bf16);
}

/// Each pattern a float of `Number`'s size may have, or for larger ones those with a meaning, and all that lie around them.
template <class Number>
Bytes special_patterns() {
  std::vector<Number> patterns;
  if constexpr (sizeof(Number) <= 2) {
    for (std::uint32_t i = 0; i <= std::numeric_limits<Number>::max(); ++i) patterns.push_back(static_cast<Number>(i));
  } else {
    using Float = std::conditional_t<sizeof(Number) == 4, float, double>;
    using Limits = std::numeric_limits<Float>;
    for (const Float each : {Float{0}, Limits::denorm_min(), Limits::min(), Float{1}, Limits::max(), Limits::infinity(),
                             Limits::quiet_NaN(), Limits::signaling_NaN()}) {
      for (const Number sign : {Number{0}, static_cast<Number>(Number{1} << (sizeof(Number) * 8 - 1))}) {
        for (Number step = 0; step < 1000; ++step) {
          patterns.push_back(static_cast<Number>((std::bit_cast<Number>(each) ^ sign) + step));
          patterns.push_back(static_cast<Number>((std::bit_cast<Number>(each) ^ sign) - step));
        }
      }
    }
  }
  Bytes bytes;
  for (const Number each : patterns) {
    for (std::size_t k = 0; k < sizeof(Number); ++k) bytes.push_back(static_cast<std::byte>((each >> (8 * k)) & 0xFFU));
  }
  return bytes;
}

TEST(RoundTrip, nans_infinities_denormals_and_both_zeros) {
  for (const Level level : {Level::fast, Level::high}) {
    Coders coders(level);
    expect_round_trip(coders, special_patterns<std::uint8_t>(), ElementType::f8_e4m3);
    expect_round_trip(coders, special_patterns<std::uint8_t>(), ElementType::f8_e5m2);
    expect_round_trip(coders, special_patterns<std::uint16_t>(), ElementType::f16);
    expect_round_trip(coders, special_patterns<std::uint16_t>(), ElementType::bf16);
    expect_round_trip(coders, special_patterns<std::uint32_t>(), ElementType::f32);
    expect_round_trip(coders, special_patterns<std::uint64_t>(), ElementType::f64);
  }
}

TEST(RoundTrip, a_delta_of_every_type) {
  auto random = seeded();
  for (const Level level : kLevels) {
    Coders coders(level);
    for (const ElementType type : all_types()) {
      for (const std::size_t count : kDeltaLengths) {
        SCOPED_TRACE(std::string(to_string(type)) + ", " + std::to_string(count) + " bytes");
        const std::vector<Bytes> all = contents(count, random);
        for (std::size_t i = 0; i < all.size(); ++i) {
          for (const Bytes& base : {all[i], all[(i + 1) % all.size()]}) {
            coders.expect_back(all[i], base, coders.encode_delta(all[i], base, type));
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST(RoundTrip, an_encoder_and_a_decoder_can_be_moved) {
  Encoder first;
  Encoder encoder = std::move(first);
  Decoder second;
  Decoder decoder = std::move(second);
  const Bytes block = test::cast(test::gaussian_weights(5000, 3), ElementType::f16);
  Bytes frame(frame_bound(block.size()));
  frame.resize(encoder.encode(block, ElementType::f16, frame));
  Bytes back(block.size());
  EXPECT_TRUE(is_ok(decoder.decode(frame, back)));
  EXPECT_EQ(back, block);
}

}  // namespace
}  // namespace arenacache::codec
