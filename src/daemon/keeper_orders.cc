// SPDX-License-Identifier: Apache-2.0
#include "keeper_orders.h"

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;

namespace {

constexpr std::size_t kBirthFields = 5;

std::unexpected<base::Error> malformed() {
  return base::fail(ErrorKind::invalid, EPROTO, "a message between the daemon's processes is malformed");
}

std::string flag(bool is_set) { return is_set ? "1" : "0"; }

Result<Message> next(const FdChannel& channel, MessageKind kind, std::size_t fields, std::size_t fds) {
  AC_ASSIGN(auto message, channel.receive());
  if (!message || message->kind != kind) return malformed();
  if (message->fields.size() != fields || message->fds.size() != fds) return malformed();
  return std::move(*message);
}

}  // namespace

Result<void> send_orders(const FdChannel& channel, const Birth& birth, const std::vector<MountOrderView>& mounts) {
  const std::array<std::string, kBirthFields> head{std::to_string(mounts.size()), flag(birth.leaves_terminal),
                                                   flag(birth.after_crash), flag(birth.gives_up),
                                                   flag(birth.is_cautious)};
  AC_TRY(channel.send(MessageKind::start, head));
  for (const MountOrderView& mount : mounts) {
    const std::array<std::string, 3> fields{mount.name, mount.mountpoint, std::to_string(mount.kept->size())};
    const std::array<int, 3> fds{mount.fuse, mount.source, mount.area};
    AC_TRY(channel.send(MessageKind::serve, fields, fds));
    for (const auto& [handle, descriptor] : *mount.kept) {
      const std::array<std::string, 1> number{std::to_string(handle)};
      const std::array<int, 1> fd{descriptor.get()};
      AC_TRY(channel.send(MessageKind::kept, number, fd));
    }
  }
  return {};
}

Result<Orders> receive_orders(const FdChannel& channel) {
  AC_ASSIGN(const Message head, next(channel, MessageKind::start, kBirthFields, 0));
  const auto count = number_in(head.fields[0]);
  if (!count) return malformed();
  Orders orders{.birth = {.leaves_terminal = head.fields[1] == "1",
                          .after_crash = head.fields[2] == "1",
                          .gives_up = head.fields[3] == "1",
                          .is_cautious = head.fields[4] == "1"},
                .mounts = {}};
  while (orders.mounts.size() < *count) {
    AC_ASSIGN(Message serve, next(channel, MessageKind::serve, 3, 3));
    MountOrder mount{.name = std::move(serve.fields[0]),
                     .mountpoint = std::move(serve.fields[1]),
                     .fuse = std::move(serve.fds[0]),
                     .source = std::move(serve.fds[1]),
                     .area = std::move(serve.fds[2]),
                     .kept = {}};
    const auto kept = number_in(serve.fields[2]);
    if (!kept) return malformed();
    for (std::uint64_t i = 0; i < *kept; ++i) {
      AC_ASSIGN(Message one, next(channel, MessageKind::kept, 1, 1));
      const auto handle = number_in(one.fields[0]);
      if (!handle) return malformed();
      mount.kept.insert_or_assign(*handle, std::move(one.fds[0]));
    }
    orders.mounts.push_back(std::move(mount));
  }
  return orders;
}

std::vector<std::string> fields_of(const KeepOrder& order) { return {order.mount, std::to_string(order.handle)}; }

Result<KeepOrder> keep_order_in(const Message& message) {
  if (message.fields.size() != 2) return malformed();
  const auto handle = number_in(message.fields[1]);
  if (!handle) return malformed();
  return KeepOrder{.mount = message.fields[0], .handle = *handle};
}

}  // namespace arenacache::daemon
