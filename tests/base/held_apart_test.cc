// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/held_apart.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <utility>

#include <gtest/gtest.h>

namespace arenacache::base {
namespace {

struct Pipe {
  UniqueFd read, write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  return {.read = UniqueFd(ends[0]), .write = UniqueFd(ends[1])};
}

/// The other end is closed.
bool has_hung_up(const UniqueFd& fd) {
  pollfd event{.fd = fd.get(), .events = POLLIN, .revents = 0};
  return ::poll(&event, 1, 0) == 1 && (event.revents & POLLHUP) != 0;
}

TEST(HeldApart, IsOpenElsewhereUntilItEnds) {
  Pipe pipe = make_pipe();
  const int number = pipe.write.get();
  {
    const HeldApart held(std::move(pipe.write));
    EXPECT_TRUE(held.is_holding());
    EXPECT_FALSE(has_hung_up(pipe.read));
    EXPECT_EQ(::fcntl(number, F_GETFD), -1) << "not in this thread's table";
  }
  EXPECT_TRUE(has_hung_up(pipe.read));
}

TEST(HeldApart, MovesAndLetsGoOfWhatItHadBefore) {
  Pipe one = make_pipe();
  Pipe two = make_pipe();
  HeldApart held(std::move(one.write));
  HeldApart other(std::move(two.write));
  held = std::move(other);
  EXPECT_TRUE(has_hung_up(one.read));
  EXPECT_FALSE(has_hung_up(two.read));
  held = HeldApart();
  EXPECT_FALSE(held.is_holding());
  EXPECT_TRUE(has_hung_up(two.read));
}

TEST(HeldApart, KeepsNothingElseOpen) {
  Pipe other = make_pipe();
  Pipe pipe = make_pipe();
  const HeldApart held(std::move(pipe.write));
  other.write.reset();
  EXPECT_TRUE(has_hung_up(other.read));
}

}  // namespace
}  // namespace arenacache::base
