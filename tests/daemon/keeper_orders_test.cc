// SPDX-License-Identifier: Apache-2.0
#include "keeper_orders.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "keeper_text.h"
#include "support/matchers.h"

namespace arenacache::daemon {
namespace {

using base::UniqueFd;
using test::must;

UniqueFd some_fd() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(KeeperOrders, ArriveAsTheyWereSent) {
  auto ends = FdChannel::create_pair();
  ASSERT_TRUE(ends.has_value());
  const UniqueFd fd = some_fd();
  std::map<std::uint64_t, UniqueFd> kept;
  kept.emplace(7, some_fd());
  kept.emplace(1'000'000'000'000, some_fd());
  const std::map<std::uint64_t, UniqueFd> none;
  const std::vector<MountOrderView> views{{.name = "a",
                                           .mountpoint = "/a",
                                           .facts = "1 2 3 a",
                                           .fuse = fd.get(),
                                           .source = fd.get(),
                                           .area = fd.get(),
                                           .kept = &kept},
                                          {.name = "b",
                                           .mountpoint = "/b",
                                           .facts = "",
                                           .fuse = fd.get(),
                                           .source = fd.get(),
                                           .area = fd.get(),
                                           .kept = &none}};
  const UniqueFd configuration = must(make_text_file("configuration", "what it is to go by"));
  const Birth birth{.after_crash = true, .gives_up = false, .is_cautious = true, .is_alone = false};
  ASSERT_TRUE(send_orders(ends->first, birth, {.configuration = configuration.get(), .lifeline = fd.get()}, views));
  auto orders = receive_orders(ends->second);
  ASSERT_TRUE(orders.has_value()) << orders.error().what;
  EXPECT_EQ(must(read_text_file(orders->configuration.get())), "what it is to go by");
  EXPECT_FALSE(orders->birth.leaves_terminal);
  EXPECT_TRUE(orders->birth.after_crash);
  EXPECT_FALSE(orders->birth.gives_up);
  EXPECT_TRUE(orders->birth.is_cautious);
  EXPECT_FALSE(orders->birth.is_alone);
  EXPECT_TRUE(orders->lifeline.is_open());
  ASSERT_EQ(orders->mounts.size(), 2U);
  EXPECT_EQ(orders->mounts[0].mountpoint, "/a");
  EXPECT_EQ(orders->mounts[0].facts, "1 2 3 a");
  ASSERT_EQ(orders->mounts[0].kept.size(), 2U);
  EXPECT_TRUE(orders->mounts[0].kept.at(1'000'000'000'000).is_open());
  EXPECT_TRUE(orders->mounts[1].area.is_open());
}

TEST(KeeperOrders, WhatIsMalformedIsAnError) {
  auto ends = FdChannel::create_pair();
  ASSERT_TRUE(ends.has_value());
  const std::array<std::string, 6> head{"many", "0", "0", "0", "0", "1"};
  const UniqueFd fd = some_fd();
  const std::array<int, 2> fds{fd.get(), fd.get()};
  ASSERT_TRUE(ends->first.send(MessageKind::start, head, fds));
  EXPECT_FALSE(receive_orders(ends->second).has_value());
  const std::array<std::string, 6> without{"0", "0", "0", "0", "0", "1"};
  ASSERT_TRUE(ends->first.send(MessageKind::start, without));
  EXPECT_FALSE(receive_orders(ends->second).has_value());
  ASSERT_TRUE(ends->first.send(MessageKind::ready));
  EXPECT_FALSE(receive_orders(ends->second).has_value());
  ends->first.close();
  EXPECT_FALSE(receive_orders(ends->second).has_value());
}

TEST(KeeperOrders, ATextArrivesWholeAndCannotBeChanged) {
  const std::string text(100'000, 'x');
  const UniqueFd file = must(make_text_file("text", text));
  EXPECT_EQ(::pwrite(file.get(), "y", 1, 0), -1);
  EXPECT_NE(::ftruncate(file.get(), 1), 0);
  EXPECT_EQ(must(read_text_file(file.get())), text);
  EXPECT_EQ(must(read_text_file(must(make_text_file("text", "")).get())), "");
  EXPECT_FALSE(read_text_file(-1).has_value());
}

TEST(KeeperOrders, KeepOrdersNameMountAndHandle) {
  const KeepOrder order{.mount = "models", .handle = 1ULL << 60U};
  const auto read = keep_order_in({.kind = MessageKind::keep, .fields = fields_of(order), .fds = {}});
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->mount, "models");
  EXPECT_EQ(read->handle, 1ULL << 60U);
  EXPECT_FALSE(keep_order_in({.kind = MessageKind::keep, .fields = {"1", "-2"}, .fds = {}}).has_value());
  EXPECT_FALSE(keep_order_in({.kind = MessageKind::keep, .fields = {"1"}, .fds = {}}).has_value());
}

}  // namespace
}  // namespace arenacache::daemon
