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

constexpr std::size_t kBirthFields = 6;
constexpr std::size_t kServeFields = 4;

std::unexpected<base::Error> malformed_message() {
  return base::fail(ErrorKind::invalid, EPROTO, "a message between the daemon's processes is malformed");
}

std::string flag(bool is_set) { return is_set ? "1" : "0"; }

Result<Message> next(const FdChannel& channel, MessageKind kind, std::size_t fields, std::size_t fds) {
  AC_ASSIGN(auto message, channel.receive());
  if (!message || message->kind != kind) return malformed_message();
  if (message->fields.size() != fields || message->fds.size() != fds) return malformed_message();
  return std::move(*message);
}

}  // namespace

Result<void> send_orders(const FdChannel& channel, const Birth& birth, const Beside& beside,
                         const std::vector<MountOrderView>& mounts) {
  const std::array<std::string, kBirthFields> head{std::to_string(mounts.size()), flag(birth.leaves_terminal),
                                                   flag(birth.after_crash),       flag(birth.gives_up),
                                                   flag(birth.is_cautious),       flag(birth.is_alone)};
  const std::array<int, 2> held{beside.configuration, beside.lifeline};
  AC_TRY(channel.send(MessageKind::start, head, held));
  for (const MountOrderView& mount : mounts) {
    const std::array<std::string, kServeFields> fields{mount.name, mount.mountpoint, mount.facts,
                                                       std::to_string(mount.kept->size())};
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
  AC_ASSIGN(Message head, next(channel, MessageKind::start, kBirthFields, 2));
  const auto count = number_in(head.fields[0]);
  if (!count) return malformed_message();
  Orders orders{.birth = {.leaves_terminal = head.fields[1] == "1",
                          .after_crash = head.fields[2] == "1",
                          .gives_up = head.fields[3] == "1",
                          .is_cautious = head.fields[4] == "1",
                          .is_alone = head.fields[5] == "1"},
                .configuration = std::move(head.fds[0]),
                .lifeline = std::move(head.fds[1]),
                .mounts = {}};
  while (orders.mounts.size() < *count) {
    AC_ASSIGN(Message serve, next(channel, MessageKind::serve, kServeFields, 3));
    MountOrder mount{.name = std::move(serve.fields[0]),
                     .mountpoint = std::move(serve.fields[1]),
                     .facts = std::move(serve.fields[2]),
                     .fuse = std::move(serve.fds[0]),
                     .source = std::move(serve.fds[1]),
                     .area = std::move(serve.fds[2]),
                     .kept = {}};
    const auto kept = number_in(serve.fields[3]);
    if (!kept) return malformed_message();
    for (std::uint64_t i = 0; i < *kept; ++i) {
      AC_ASSIGN(Message one, next(channel, MessageKind::kept, 1, 1));
      const auto handle = number_in(one.fields[0]);
      if (!handle) return malformed_message();
      mount.kept.insert_or_assign(*handle, std::move(one.fds[0]));
    }
    orders.mounts.push_back(std::move(mount));
  }
  return orders;
}

std::vector<std::string> fields_of(const KeepOrder& order) { return {order.mount, std::to_string(order.handle)}; }

Result<KeepOrder> keep_order_in(const Message& message) {
  if (message.fields.size() != 2) return malformed_message();
  const auto handle = number_in(message.fields[1]);
  if (!handle) return malformed_message();
  return KeepOrder{.mount = message.fields[0], .handle = *handle};
}

}  // namespace arenacache::daemon
