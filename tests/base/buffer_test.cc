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
