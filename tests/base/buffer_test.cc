// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/buffer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace arenacache::base {
namespace {

TEST(Buffer, is_zeroed_and_aligned_to_pages) {
  const Buffer buffer(100'000);
  EXPECT_EQ(buffer.size(), 100'000U);
  EXPECT_TRUE(std::ranges::all_of(buffer.span(), [](std::byte byte) { return byte == std::byte{0}; }));
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.span().data());
  EXPECT_EQ(address % static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE)), 0U);
}

TEST(Buffer, begins_at_a_huge_page_if_it_is_as_large_as_one) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20U;
  for (const std::size_t size : {kHugePage, kHugePage + 1, 3 * kHugePage + 12'345}) {
    Buffer buffer(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.span().data()) % kHugePage, 0U);
    std::ranges::fill(buffer.span(), std::byte{7});
    EXPECT_EQ(buffer.span()[size - 1], std::byte{7});
  }
}

TEST(Buffer, moves_its_bytes) {
  Buffer from(4096);
  from.span()[7] = std::byte{42};
  Buffer into(8192);
  into = std::move(from);
  EXPECT_EQ(into.size(), 4096U);
  EXPECT_EQ(into.span()[7], std::byte{42});
  const Buffer last(std::move(into));
  EXPECT_EQ(last.span()[7], std::byte{42});
}

TEST(Buffer, may_be_empty) {
  EXPECT_EQ(Buffer().size(), 0U);
  EXPECT_EQ(Buffer(0).size(), 0U);
}

}  // namespace
}  // namespace arenacache::base
