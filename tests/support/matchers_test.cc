// SPDX-License-Identifier: Apache-2.0
#include "support/matchers.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "arenacache/base/result.h"

namespace arenacache::test {
namespace {

using base::ErrorKind;
using base::Result;

TEST(Matchers, tell_what_the_error_was) {
  const Result<int> failed = base::fail(ErrorKind::store, EIO, "cannot read a: Input/output error");
  const auto verdict = is_ok(failed);
  EXPECT_FALSE(verdict);
  EXPECT_STREQ(verdict.message(), "store error, errno 5: cannot read a: Input/output error");
  EXPECT_TRUE(has_kind(failed, ErrorKind::store));
  EXPECT_FALSE(has_kind(failed, ErrorKind::origin));
}

TEST(Matchers, take_a_value_for_success) {
  EXPECT_TRUE(is_ok(Result<void>{}));
  EXPECT_FALSE(has_kind(Result<int>(1), ErrorKind::store));
  EXPECT_EQ(must(Result<std::string>("value")), "value");
  must(Result<void>{});
}

TEST(MatchersDeathTest, must_ends_with_the_sentence_of_the_error) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(must(Result<int>(base::fail(ErrorKind::store, EIO, "cannot read a"))), "cannot read a");
}

}  // namespace
}  // namespace arenacache::test
