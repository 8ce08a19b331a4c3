// SPDX-License-Identifier: Apache-2.0
// What is said of a plane after a quick look at it.
#include "estimate.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "pair_table.h"

namespace arenacache::codec {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::size_t kPlane = 131'072;

/// Bytes around `middle`, half as often with each step away.
Bytes exponents(std::size_t count, std::uint8_t middle) {
  std::mt19937_64 random(1);
  Bytes bytes(count);
  for (std::byte& each : bytes) each = static_cast<std::byte>(middle + std::countr_zero(random() | (1U << 12U)));
  return bytes;
}

Bytes noise(std::size_t count) {
  std::mt19937_64 random(2);
  Bytes bytes(count);
  for (std::byte& each : bytes) each = static_cast<std::byte>(random() & 0xFFU);
  return bytes;
}

TEST(Estimate, of_noise_is_eight_bits) {
  for (const std::size_t count : {std::size_t{8192}, kPlane}) {
    const PlaneEstimate seen = estimate(noise(count));
    EXPECT_NEAR(seen.bits, 8.0, 0.02);
    EXPECT_EQ(choose_pairs(seen).count, 0U);
    EXPECT_EQ(choose_table_span(seen), 17U);
  }
}

TEST(Estimate, of_exponents_is_their_entropy_and_asks_for_pairs) {
  // The sum of k / 2^k is 2.
  const PlaneEstimate seen = estimate(exponents(kPlane, 100));
  EXPECT_NEAR(seen.bits, 2.0, 0.05);
  const PairTable table = choose_pairs(seen);
  EXPECT_GE(table.count, 10U);
  EXPECT_EQ(table.bytes[0], std::byte{100});
  EXPECT_EQ(table.bytes[1], std::byte{101});
}

TEST(Estimate, sees_that_a_plane_changes_on_its_way) {
  Bytes plane = exponents(kPlane / 2, 100);
  const Bytes rest = exponents(kPlane / 2, 200);
  plane.insert(plane.end(), rest.begin(), rest.end());
  const PlaneEstimate seen = estimate(plane);
  EXPECT_NEAR(seen.bits, 3.0, 0.05);
  EXPECT_NEAR(seen.local_bits, 2.0, 0.05);
  EXPECT_LT(choose_table_span(seen), 17U);
}

TEST(Estimate, of_any_length) {
  for (std::size_t count = 1; count < 300; ++count) {
    const PlaneEstimate seen = estimate(exponents(count, 9));
    EXPECT_EQ(seen.sampled, count);
    EXPECT_LE(seen.local_bits, seen.bits);
  }
}

TEST(Estimate, constant_means_every_byte) {
  Bytes plane(1000, std::byte{3});
  EXPECT_TRUE(is_constant(plane));
  plane.back() = std::byte{4};
  EXPECT_FALSE(is_constant(plane));
  EXPECT_TRUE(is_constant(Bytes(1)));
}

}  // namespace
}  // namespace arenacache::codec
