// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "support/matchers.h"

namespace arenacache::base {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

UniqueFd open_null() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(UniqueFd, closes_at_the_end) {
  int number = -1;
  {
    const UniqueFd fd = open_null();
    number = fd.get();
    ASSERT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, has_one_owner_after_a_move) {
  UniqueFd from = open_null();
  const int number = from.get();
  UniqueFd into = open_null();
  const int replaced = into.get();
  into = std::move(from);
  EXPECT_FALSE(from.is_open());  // NOLINT(bugprone-use-after-move): what a move leaves is the question
  EXPECT_EQ(into.get(), number);
  EXPECT_FALSE(is_open(replaced));
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, lets_go_on_release) {
  UniqueFd fd = open_null();
  const int number = fd.release();
  EXPECT_FALSE(fd.is_open());
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

TEST(UniqueFd, tells_how_the_close_went) {
  UniqueFd good = open_null();
  EXPECT_TRUE(test::is_ok(good.close()));
  EXPECT_FALSE(good.is_open());
  EXPECT_TRUE(test::is_ok(UniqueFd().close()));

  UniqueFd gone(1'000'000);
  const auto failed = gone.close();
  ASSERT_TRUE(test::has_kind(failed, ErrorKind::store));
  EXPECT_EQ(failed.error().errno_value, EBADF);
}

}  // namespace
}  // namespace arenacache::base
