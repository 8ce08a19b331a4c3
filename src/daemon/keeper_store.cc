// SPDX-License-Identifier: Apache-2.0
// The keeper and the service manager's store of descriptors: what is put there, so that a killed keeper is followed by one that goes
// on with the mounts, and what is found there at the start. Names: "plan"; "config-K", the newest of which counts; and "fuse-N", "area-N", "source-N", "place-N",
// "kept-N-HANDLE" of the plan's mount N.
#include <string>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "keeper.h"
#include "keeper_text.h"

namespace arenacache::daemon {

using base::text;
using base::UniqueFd;

namespace {

base::Result<Plan> read_plan_file(int file) {
  AC_ASSIGN(const std::string fields, read_text_file(file));
  return parse_plan_text(fields);
}

}  // namespace

std::string Keeper::stored_name(const char* what, std::size_t mount) { return text(what, '-', mount); }

std::string Keeper::kept_name(std::size_t mount, std::uint64_t handle) { return text("kept-", mount, '-', handle); }

std::string Keeper::configuration_name() const { return text("config-", configuration_number_); }

void Keeper::store_all() const {
  if (!notifier_.is_listened_to()) return;
  Plan plan{.foreground = plan_.foreground,
            .log_level = plan_.log_level,
            .crash_window = plan_.crash_window,
            .configuration = {},
            .mounts = {}};
  for (const Mounted& mount : mounts_) {
    notifier_.store(stored_name("fuse", mount.planned.number), mount.fuse.fuse.get());
    notifier_.store(stored_name("area", mount.planned.number), mount.area.get());
    notifier_.store(stored_name("source", mount.planned.number), mount.planned.source.get());
    notifier_.store(stored_name("place", mount.planned.number), mount.planned.place.get());
    plan.mounts.push_back({.number = mount.planned.number,
                           .name = mount.planned.name,
                           .mountpoint = mount.planned.mountpoint,
                           .source_name = mount.planned.source_name,
                           .readahead_kib = mount.planned.readahead_kib,
                           .facts = mount.planned.facts,
                           .source = {},
                           .place = {}});
  }
  notifier_.store(configuration_name(), configuration_.get());
  notifier_.remove("plan");  // an earlier keeper's
  // Last: with it the others are complete.
  if (const auto file = make_text_file("plan", plan_text(plan))) notifier_.store("plan", file->get());
}

void Keeper::empty_store() const {
  notifier_.remove("plan");
  notifier_.remove(configuration_name());
  for (const Mounted& mount : mounts_) remove_stored(mount);
}

void Keeper::remove_stored(const Mounted& mount) const {
  for (const char* what : {"fuse", "area", "source", "place"})
    notifier_.remove(stored_name(what, mount.planned.number));
  for (const auto& [handle, descriptor] : mount.kept) notifier_.remove(kept_name(mount.planned.number, handle));
}

bool Keeper::resume() {
  const UniqueFd file = stored_.take("plan");
  if (!file.is_open()) return false;
  auto plan = read_plan_file(file.get());
  if (!plan || !resume_configuration()) {
    base::log_warn(text("what an earlier daemon left cannot be used", plan ? "" : ": ", plan ? "" : plan.error().what));
    return false;
  }
  plan_ = std::move(*plan);
  base::log_open(plan_.log_level, kKeeperName);
  for (PlannedMount& planned : plan_.mounts) resume_mount(std::move(planned));
  plan_.mounts.clear();
  return !mounts_.empty();
}

bool Keeper::resume_configuration() {
  for (auto& [digits, descriptor] : stored_.take_all("config-")) {
    const auto number = number_in(digits);
    if (!number || (configuration_.is_open() && *number < configuration_number_)) continue;
    configuration_ = std::move(descriptor);
    configuration_number_ = *number;
  }
  return configuration_.is_open();
}

void Keeper::resume_mount(PlannedMount planned) {
  const std::size_t number = planned.number;
  Mounted mount{.planned = std::move(planned), .fuse = {}, .area = {}, .kept = {}};
  mount.planned.source = stored_.take(stored_name("source", number));
  mount.planned.place = stored_.take(stored_name("place", number));
  mount.fuse.fuse = stored_.take(stored_name("fuse", number));
  mount.area = stored_.take(stored_name("area", number));
  for (auto& [digits, descriptor] : stored_.take_all(text("kept-", number, '-'))) {
    if (const auto handle = number_in(digits)) mount.kept.emplace(*handle, std::move(descriptor));
  }
  const bool is_whole = mount.fuse.fuse.is_open() && mount.area.is_open() && mount.planned.source.is_open() &&
                        mount.planned.place.is_open();
  if (is_whole && is_mounted(mount.request())) {
    base::log_info(text(mount.planned.mountpoint, " was left by an earlier daemon, going on with it"));
    mounts_.push_back(std::move(mount));
    return;
  }
  base::log_warn(text(mount.planned.mountpoint, " was left by an earlier daemon, but is not mounted any more"));
  remove_stored(mount);
}

}  // namespace arenacache::daemon
