// SPDX-License-Identifier: Apache-2.0
// The keeper and the service manager's store of descriptors: what is put there, so that a killed keeper is followed by one that goes
// on with the mounts, and what is found there at the start. Names: "plan", and "fuse-N", "area-N", "source-N", "place-N",
// "kept-N-HANDLE" of the plan's mount N.
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "keeper.h"

namespace arenacache::daemon {

using base::text;
using base::UniqueFd;

namespace {

constexpr std::size_t kMostPlanBytes = std::size_t{1} << 20U;

/// The text of a plan as a file without a name.
UniqueFd plan_file(const std::string& bytes) {
  UniqueFd file(::memfd_create("arenacache-plan", MFD_CLOEXEC));
  if (!file.is_open() || ::pwrite(file.get(), bytes.data(), bytes.size(), 0) != std::ssize(bytes)) return {};
  return file;
}

base::Result<Plan> read_plan_file(int file) {
  std::string bytes(kMostPlanBytes, '\0');
  const ssize_t got = ::pread(file, bytes.data(), bytes.size(), 0);
  bytes.resize(static_cast<std::size_t>(got > 0 ? got : 0));
  return parse_plan_text(bytes);
}

}  // namespace

std::string Keeper::stored_name(const char* what, std::size_t mount) { return text(what, '-', mount); }

std::string Keeper::kept_name(std::size_t mount, std::uint64_t handle) { return text("kept-", mount, '-', handle); }

void Keeper::store_mounts() const {
  if (!notifier_.is_listened_to()) return;
  Plan plan{
      .foreground = plan_.foreground, .log_level = plan_.log_level, .crash_window = plan_.crash_window, .mounts = {}};
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
                           .source = {},
                           .place = {}});
  }
  notifier_.remove("plan");  // an earlier keeper's
  // Last: with it the others are complete.
  if (const UniqueFd file = plan_file(plan_text(plan)); file.is_open()) notifier_.store("plan", file.get());
}

void Keeper::empty_store() const {
  notifier_.remove("plan");
  for (const Mounted& mount : mounts_) remove_stored(mount);
}

void Keeper::remove_stored(const Mounted& mount) const {
  for (const char* what : {"fuse", "area", "source", "place"})
    notifier_.remove(stored_name(what, mount.planned.number));
  for (const auto& [handle, descriptor] : mount.kept) notifier_.remove(kept_name(mount.planned.number, handle));
}

bool Keeper::resume() {
  const UniqueFd plan = stored_.take("plan");
  if (!plan.is_open()) return false;
  auto read = read_plan_file(plan.get());
  if (!read) {
    base::log_warn(text("what an earlier daemon left cannot be used: ", read.error().what));
    return false;
  }
  plan_ = std::move(*read);
  base::log_open(plan_.log_level, kKeeperName);
  for (PlannedMount& planned : plan_.mounts) {
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
      continue;
    }
    base::log_warn(text(mount.planned.mountpoint, " was left by an earlier daemon, but is not mounted any more"));
    remove_stored(mount);
  }
  plan_.mounts.clear();
  return !mounts_.empty();
}

}  // namespace arenacache::daemon
