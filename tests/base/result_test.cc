// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>

#include "support/matchers.h"

namespace arenacache::base {
namespace {

using test::has_kind;
using test::is_ok;

Result<int> half(int number) {
  if (number % 2 != 0) return fail(ErrorKind::invalid, EINVAL, "odd");
  return number / 2;
}

Result<void> check_half(int number) {
  AC_TRY(half(number));
  return {};
}

Result<std::unique_ptr<int>> quarter(int number) {
  AC_ASSIGN(const int first, half(number));
  AC_ASSIGN(const int second, half(first));
  return std::make_unique<int>(second);
}

TEST(Result, passes_errors_up_and_values_on) {
  EXPECT_TRUE(is_ok(check_half(4)));
  EXPECT_TRUE(has_kind(check_half(3), ErrorKind::invalid));
  EXPECT_EQ(**quarter(12), 3);
  EXPECT_TRUE(has_kind(quarter(6), ErrorKind::invalid));
}

TEST(Result, names_the_cause_of_an_errno) {
  const Error error = errno_error(ErrorKind::origin, ENOENT, "cannot open /a/b");
  EXPECT_EQ(error.what, "cannot open /a/b: No such file or directory");
  EXPECT_EQ(error.errno_value, ENOENT);
  EXPECT_EQ(errno_error(ErrorKind::origin, 9999, "cannot").what, "cannot: error 9999");
}

TEST(Result, has_a_word_for_each_kind) {
  EXPECT_EQ(to_string(ErrorKind::origin), "origin");
  EXPECT_EQ(to_string(ErrorKind::no_space), "no_space");
  EXPECT_EQ(to_string(ErrorKind::invalid), "invalid");
}

TEST(ResultDeathTest, a_failed_check_says_what_and_where) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(AC_CHECK(1 == 2), "1 == 2 is false at .*result_test.cc:[0-9]+");
}

}  // namespace
}  // namespace arenacache::base
