// SPDX-License-Identifier: Apache-2.0
#include "keeper_plan.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;

namespace {

std::optional<std::uint64_t> parse_number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::unexpected<base::Error> malformed() {
  return base::fail(ErrorKind::invalid, EPROTO, "the reader's plan is malformed");
}

}  // namespace

Result<void> send_plan(const FdChannel& channel, const Plan& plan) {
  const std::array<std::string, 4> head{std::to_string(plan.mounts.size()), plan.foreground ? "1" : "0",
                                        std::to_string(static_cast<unsigned>(plan.log_level)),
                                        std::to_string(plan.crash_window.count())};
  AC_TRY(channel.send(MessageKind::plan, head));
  for (const PlannedMount& mount : plan.mounts) {
    const std::array<std::string, 4> fields{mount.name, mount.mountpoint, mount.source_name,
                                            std::to_string(mount.readahead_kib)};
    const std::array<int, 2> fds{mount.source.get(), mount.place.get()};
    AC_TRY(channel.send(MessageKind::mount, fields, fds));
  }
  return {};
}

Result<void> PlanAssembler::add(Message message) {
  if (!announced_) {
    if (message.kind != MessageKind::plan || message.fields.size() != 4) return malformed();
    const auto count = parse_number(message.fields[0]);
    const auto level = parse_number(message.fields[2]);
    const auto window = parse_number(message.fields[3]);
    if (!count || !level || !window || *level > static_cast<std::uint64_t>(base::LogLevel::off)) return malformed();
    announced_ = true;
    expected_ = *count;
    plan_.foreground = message.fields[1] == "1";
    plan_.log_level = static_cast<base::LogLevel>(*level);
    plan_.crash_window = std::chrono::milliseconds(*window);
    return {};
  }
  if (message.kind != MessageKind::mount || message.fields.size() != 4 || message.fds.size() != 2) return malformed();
  const auto readahead = parse_number(message.fields[3]);
  if (!readahead) return malformed();
  plan_.mounts.push_back(PlannedMount{.name = std::move(message.fields[0]),
                                      .mountpoint = std::move(message.fields[1]),
                                      .source_name = std::move(message.fields[2]),
                                      .readahead_kib = *readahead,
                                      .source = std::move(message.fds[0]),
                                      .place = std::move(message.fds[1])});
  return {};
}

}  // namespace arenacache::daemon
