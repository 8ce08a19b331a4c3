// SPDX-License-Identifier: Apache-2.0
#include "keeper_plan.h"

#include <array>
#include <cerrno>
#include <span>
#include <string_view>
#include <utility>

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;

namespace {

std::unexpected<base::Error> malformed_plan() {
  return base::fail(ErrorKind::invalid, EPROTO, "the reader's plan is malformed");
}

/// Of the plan itself, and of each mount.
constexpr std::size_t kHeadFields = 4;
constexpr std::size_t kFields = 6;

std::array<std::string, kHeadFields> head_of(const Plan& plan) {
  return {std::to_string(plan.mounts.size()), plan.foreground ? "1" : "0",
          std::to_string(static_cast<unsigned>(plan.log_level)), std::to_string(plan.crash_window.count())};
}

std::array<std::string, kFields> fields_of(const PlannedMount& mount) {
  return {mount.name,
          mount.mountpoint,
          mount.source_name,
          std::to_string(mount.readahead_kib),
          std::to_string(mount.number),
          mount.facts};
}

/// Returns how many mounts follow.
Result<std::size_t> read_head(std::span<const std::string> fields, Plan& plan) {
  if (fields.size() != kHeadFields) return malformed_plan();
  const auto count = number_in(fields[0]);
  const auto level = number_in(fields[2]);
  const auto window = number_in(fields[3]);
  if (!count || !level || !window || *level > static_cast<std::uint64_t>(base::LogLevel::off)) return malformed_plan();
  plan.foreground = fields[1] == "1";
  plan.log_level = static_cast<base::LogLevel>(*level);
  plan.crash_window = std::chrono::milliseconds(*window);
  return *count;
}

Result<PlannedMount> read_mount(std::span<std::string> fields) {
  if (fields.size() != kFields) return malformed_plan();
  const auto readahead = number_in(fields[3]);
  const auto number = number_in(fields[4]);
  if (!readahead || !number) return malformed_plan();
  return PlannedMount{.number = *number,
                      .name = std::move(fields[0]),
                      .mountpoint = std::move(fields[1]),
                      .source_name = std::move(fields[2]),
                      .readahead_kib = *readahead,
                      .facts = std::move(fields[5]),
                      .source = {},
                      .place = {}};
}

}  // namespace

Result<void> send_plan(const FdChannel& channel, const Plan& plan) {
  const std::array<int, 1> beside{plan.configuration.get()};
  AC_TRY(channel.send(MessageKind::plan, head_of(plan), beside));
  for (const PlannedMount& mount : plan.mounts) {
    const std::array<int, 2> fds{mount.source.get(), mount.place.get()};
    AC_TRY(channel.send(MessageKind::mount, fields_of(mount), fds));
  }
  return {};
}

Result<void> PlanAssembler::add(Message message) {
  if (!announced_) {
    if (message.kind != MessageKind::plan || message.fds.size() != 1) return malformed_plan();
    AC_ASSIGN(expected_, read_head(message.fields, plan_));
    plan_.configuration = std::move(message.fds[0]);
    announced_ = true;
    return {};
  }
  if (message.kind != MessageKind::mount || message.fds.size() != 2) return malformed_plan();
  AC_ASSIGN(PlannedMount mount, read_mount(message.fields));
  mount.source = std::move(message.fds[0]);
  mount.place = std::move(message.fds[1]);
  plan_.mounts.push_back(std::move(mount));
  return {};
}

std::string plan_text(const Plan& plan) {
  std::string text;
  const auto add = [&text](const auto& fields) {
    for (const std::string& field : fields) text.append(field).push_back('\0');
  };
  add(head_of(plan));
  for (const PlannedMount& mount : plan.mounts) add(fields_of(mount));
  return text;
}

Result<Plan> parse_plan_text(std::string_view text) {
  std::vector<std::string> fields;
  for (std::size_t end = text.find('\0'); end != std::string_view::npos; end = text.find('\0')) {
    fields.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  const std::span<std::string> all(fields);
  if (all.size() < kHeadFields) return malformed_plan();
  Plan plan;
  AC_ASSIGN(const std::size_t count, read_head(all.first(kHeadFields), plan));
  if (all.size() - kHeadFields != count * kFields) return malformed_plan();
  for (std::size_t at = kHeadFields; at < all.size(); at += kFields) {
    AC_ASSIGN(PlannedMount mount, read_mount(all.subspan(at, kFields)));
    plan.mounts.push_back(std::move(mount));
  }
  return plan;
}

}  // namespace arenacache::daemon
