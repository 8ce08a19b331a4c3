// SPDX-License-Identifier: Apache-2.0
// The vector kernels against the portable ones, each alone, at lengths around whole vectors.
#include "kernels.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <span>
#include <vector>

#include "arenacache/codec/element_type.h"
#include "layout.h"
#include "pair_table.h"

namespace arenacache::codec {
namespace {

using Bytes = std::vector<std::byte>;

class KernelsTest : public testing::Test {
 protected:
  KernelsTest() : random_(static_cast<std::uint64_t>(testing::UnitTest::GetInstance()->random_seed())) {
    if (&avx2_kernels() == &portable_kernels()) skip_ = true;
  }
  void SetUp() override {
    if (skip_) GTEST_SKIP() << "this processor has no AVX2";
  }

  Bytes noise(std::size_t count) {
    Bytes bytes(count);
    for (std::byte& each : bytes) each = static_cast<std::byte>(random_() & 0xFFU);
    return bytes;
  }
  /// Mostly of few values around `middle`.
  Bytes exponents(std::size_t count, std::uint8_t middle) {
    Bytes bytes(count);
    for (std::byte& each : bytes) {
      const auto far = static_cast<unsigned>(std::countr_zero(random_() | (1U << 20U)));
      each = static_cast<std::byte>((middle + far * far) & 0xFFU);
    }
    return bytes;
  }

  std::mt19937_64 random_;
  bool skip_ = false;
};

constexpr std::array<std::size_t, 12> kCounts = {0, 1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 1001};

struct PlaneSet {
  explicit PlaneSet(const Layout& layout, std::size_t count) : bytes(layout.planes(), Bytes(count)) {}
  MutablePlanes pointers() {
    MutablePlanes all{};
    for (std::size_t i = 0; i < bytes.size(); ++i) all[i] = bytes[i].data();
    return all;
  }
  Planes const_pointers() {
    Planes all{};
    for (std::size_t i = 0; i < bytes.size(); ++i) all[i] = bytes[i].data();
    return all;
  }
  std::vector<Bytes> bytes;
};

TEST_F(KernelsTest, split_alike_and_merge_back) {
  for (const ElementType type : {ElementType::u8, ElementType::f16, ElementType::bf16, ElementType::f32,
                                 ElementType::i32, ElementType::f64, ElementType::i64}) {
    const Layout& layout = layout_of(type);
    for (const std::size_t count : kCounts) {
      const Bytes numbers = noise(count * layout.element_bytes);
      PlaneSet here(layout, count);
      PlaneSet there(layout, count);
      avx2_kernels().split(layout, numbers, here.pointers());
      portable_kernels().split(layout, numbers, there.pointers());
      ASSERT_EQ(here.bytes, there.bytes) << to_string(type) << ", " << count;
      for (const Kernels* kernels : {&avx2_kernels(), &portable_kernels()}) {
        Bytes back(numbers.size());
        kernels->merge(layout, here.const_pointers(), back);
        ASSERT_EQ(back, numbers) << to_string(type) << ", " << count;
      }
    }
  }
}

TEST(Kernels, put_a_floats_exponent_into_one_plane) {
  struct Case {
    ElementType type = ElementType::bf16;
    std::uint64_t bits = 0;
    std::uint8_t top = 0;
    std::uint8_t next = 0;
  };
  // -1: the sign follows the exponent, of 8 bits (0x7F) or 11 (0x3FF, so 0x7F and 0b111).
  constexpr std::array kCases = {
      Case{ElementType::bf16, 0xBF80, 0x7F, 0x80}, Case{ElementType::f32, 0xBF800000, 0x7F, 0x80},
      Case{ElementType::f64, 0xBFF0000000000000U, 0x7F, 0xF0}, Case{ElementType::f16, 0xBC00, 0xBC, 0x00}};
  for (const Case& each : kCases) {
    const Layout& layout = layout_of(each.type);
    Bytes number;
    for (std::size_t k = 0; k < layout.element_bytes; ++k) {
      number.push_back(static_cast<std::byte>((each.bits >> (8 * k)) & 0xFFU));
    }
    PlaneSet planes(layout, 1);
    portable_kernels().split(layout, number, planes.pointers());
    EXPECT_EQ(planes.bytes[0][0], std::byte{each.top}) << to_string(each.type);
    EXPECT_EQ(planes.bytes[1][0], std::byte{each.next}) << to_string(each.type);
  }
}

TEST_F(KernelsTest, subtract_alike_and_add_back) {
  for (const std::size_t width : {1U, 2U, 4U, 8U}) {
    for (const std::size_t count : kCounts) {
      const Bytes numbers = noise(count * width);
      const Bytes base = noise(count * width);
      Bytes here(numbers.size());
      Bytes there(numbers.size());
      avx2_kernels().subtract(width, numbers, base, here);
      portable_kernels().subtract(width, numbers, base, there);
      ASSERT_EQ(here, there) << width << ", " << count;
      for (const Kernels* kernels : {&avx2_kernels(), &portable_kernels()}) {
        Bytes back = here;
        kernels->add(width, back, base);
        ASSERT_EQ(back, numbers) << width << ", " << count;
      }
    }
  }
}

TEST(Kernels, a_small_difference_either_way_is_a_small_number) {
  const Bytes base = {std::byte{0xFF}, std::byte{0x00}, std::byte{0x00}, std::byte{0x01}};
  const Bytes numbers = {std::byte{0x00}, std::byte{0x01}, std::byte{0xFE}, std::byte{0x00}};
  Bytes zigzag(4);
  portable_kernels().subtract(2, numbers, base, zigzag);  // 0x100 - 0xFF = 1; 0xFE - 0x100 = -2
  EXPECT_EQ(zigzag, (Bytes{std::byte{2}, std::byte{0}, std::byte{3}, std::byte{0}}));
}

PairTable table_of(std::initializer_list<std::uint8_t> bytes) {
  PairTable table;
  for (const std::uint8_t each : bytes) table.bytes[table.count++] = std::byte{each};
  return table;
}

TEST_F(KernelsTest, pack_pairs_alike_and_unpack) {
  // Neighbours; with some far away; around where bytes wrap; one only.
  const std::array tables = {table_of({120, 121, 122, 123, 124, 125, 126, 119, 118, 117}),
                             table_of({120, 0, 121, 200, 122, 90, 123, 255, 118, 117, 116, 115, 114, 113, 112}),
                             table_of({255, 0, 254, 1, 2, 253}), table_of({7})};
  for (const PairTable& table : tables) {
    for (const std::size_t count : kCounts) {
      const Bytes plane = exponents(count, std::to_integer<std::uint8_t>(table.bytes[0]));
      Bytes here(pair_bytes(count));
      Bytes there(pair_bytes(count));
      Bytes escapes(count);
      Bytes other_escapes(count);
      escapes.resize(avx2_kernels().pack_pairs(table, plane, here.data(), escapes.data()));
      other_escapes.resize(portable_kernels().pack_pairs(table, plane, there.data(), other_escapes.data()));
      ASSERT_EQ(here, there) << count;
      ASSERT_EQ(escapes, other_escapes) << count;
      for (const Kernels* kernels : {&avx2_kernels(), &portable_kernels()}) {
        Bytes back(count);
        ASSERT_TRUE(kernels->unpack_pairs(table, here.data(), escapes, back));
        ASSERT_EQ(back, plane) << count;
      }
    }
  }
}

TEST_F(KernelsTest, refuse_too_few_and_too_many_escapes) {
  const PairTable table = table_of({120, 121, 122});
  for (const std::size_t count : {1U, 64U, 65U, 1001U}) {
    const Bytes plane = noise(count);
    Bytes pairs(pair_bytes(count));
    Bytes escapes(count);
    escapes.resize(portable_kernels().pack_pairs(table, plane, pairs.data(), escapes.data()));
    for (const Kernels* kernels : {&avx2_kernels(), &portable_kernels()}) {
      Bytes back(count);
      EXPECT_TRUE(kernels->unpack_pairs(table, pairs.data(), escapes, back));
      // Each in memory of its own length, so that the sanitizers see a step beyond.
      Bytes more = escapes;
      more.push_back(std::byte{0});
      EXPECT_FALSE(kernels->unpack_pairs(table, pairs.data(), more, back));
      for (std::size_t fewer = 0; fewer < escapes.size(); ++fewer) {
        const Bytes some(escapes.begin(), escapes.begin() + static_cast<std::ptrdiff_t>(fewer));
        EXPECT_FALSE(kernels->unpack_pairs(table, pairs.data(), some, back));
      }
    }
  }
}

}  // namespace
}  // namespace arenacache::codec
