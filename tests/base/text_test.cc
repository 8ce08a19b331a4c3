// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace arenacache::base {
namespace {

TEST(Text, joins_words_letters_and_numbers) {
  EXPECT_EQ(text("a ", std::string("b"), ' ', 'c', ' ', 12, ' ', -3), "a b c 12 -3");
  EXPECT_EQ(text(), "");
  EXPECT_EQ(text(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
}

}  // namespace
}  // namespace arenacache::base
