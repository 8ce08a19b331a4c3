// SPDX-License-Identifier: Apache-2.0
#include "fd_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "support/matchers.h"

namespace arenacache::daemon {
namespace {

using base::ErrorKind;
using base::UniqueFd;
using test::has_kind;
using test::is_ok;
using test::must;

TEST(FdChannel, CarriesFieldsAndDescriptors) {
  auto [left, right] = must(FdChannel::create_pair());
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::array<std::string, 3> fields{"one", "", "three\n"};
  const std::array<int, 1> fds{null.get()};
  ASSERT_TRUE(is_ok(left.send(MessageKind::serve, fields, fds)));
  const auto message = must(right.receive());
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->kind, MessageKind::serve);
  EXPECT_EQ(message->fields, (std::vector<std::string>{"one", "", "three\n"}));
  ASSERT_EQ(message->fds.size(), 1U);
  EXPECT_EQ(::fcntl(message->fds[0].get(), F_GETFD), FD_CLOEXEC);
}

TEST(FdChannel, MessagesStayApart) {
  auto [left, right] = must(FdChannel::create_pair());
  ASSERT_TRUE(is_ok(left.send(MessageKind::reload)));
  ASSERT_TRUE(is_ok(left.send(MessageKind::stop)));
  EXPECT_EQ(must(right.receive())->kind, MessageKind::reload);
  EXPECT_EQ(must(right.receive())->kind, MessageKind::stop);
}

TEST(FdChannel, ACloseIsTheEndNotAnError) {
  auto [left, right] = must(FdChannel::create_pair());
  left.close();
  EXPECT_FALSE(must(right.receive()).has_value());
  EXPECT_FALSE(right.send(MessageKind::stop).has_value());
}

TEST(FdChannel, RefusesAnotherProtocol) {
  auto [left, right] = must(FdChannel::create_pair());
  ASSERT_EQ(::send(left.fd(), "\x7f\x01", 2, 0), 2);
  EXPECT_TRUE(has_kind(right.receive(), ErrorKind::invalid));
}

TEST(FdChannel, RefusesWhatIsTooLong) {
  auto [left, right] = must(FdChannel::create_pair());
  const std::array<std::string, 1> fields{std::string(100'000, 'x')};
  EXPECT_TRUE(has_kind(left.send(MessageKind::status, fields), ErrorKind::invalid));
}

}  // namespace
}  // namespace arenacache::daemon
