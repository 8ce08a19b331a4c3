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

namespace arenacache::daemon {
namespace {

using base::UniqueFd;

UniqueFd some_fd() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(KeeperOrders, ArriveAsTheyWereSent) {
  auto ends = FdChannel::create_pair();
  ASSERT_TRUE(ends.has_value());
  const UniqueFd fd = some_fd();
  std::map<std::uint64_t, UniqueFd> kept;
  kept.emplace(7, some_fd());
  kept.emplace(1'000'000'000'000, some_fd());
  const std::map<std::uint64_t, UniqueFd> none;
  const std::vector<MountOrderView> views{
      {.name = "a", .mountpoint = "/a", .fuse = fd.get(), .source = fd.get(), .area = fd.get(), .kept = &kept},
      {.name = "b", .mountpoint = "/b", .fuse = fd.get(), .source = fd.get(), .area = fd.get(), .kept = &none}};
  ASSERT_TRUE(send_orders(ends->first, {.after_crash = true, .gives_up = false, .is_cautious = true}, views));
  auto orders = receive_orders(ends->second);
  ASSERT_TRUE(orders.has_value()) << orders.error().what;
  EXPECT_FALSE(orders->birth.leaves_terminal);
  EXPECT_TRUE(orders->birth.after_crash);
  EXPECT_FALSE(orders->birth.gives_up);
  EXPECT_TRUE(orders->birth.is_cautious);
  ASSERT_EQ(orders->mounts.size(), 2U);
  EXPECT_EQ(orders->mounts[0].mountpoint, "/a");
  ASSERT_EQ(orders->mounts[0].kept.size(), 2U);
  EXPECT_TRUE(orders->mounts[0].kept.at(1'000'000'000'000).is_open());
  EXPECT_TRUE(orders->mounts[1].area.is_open());
}

TEST(KeeperOrders, WhatIsMalformedIsAnError) {
  auto ends = FdChannel::create_pair();
  ASSERT_TRUE(ends.has_value());
  const std::array<std::string, 5> head{"many", "0", "0", "0", "0"};
  ASSERT_TRUE(ends->first.send(MessageKind::start, head));
  EXPECT_FALSE(receive_orders(ends->second).has_value());
  ASSERT_TRUE(ends->first.send(MessageKind::ready));
  EXPECT_FALSE(receive_orders(ends->second).has_value());
  ends->first.close();
  EXPECT_FALSE(receive_orders(ends->second).has_value());
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
