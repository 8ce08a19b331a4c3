// SPDX-License-Identifier: Apache-2.0
#include "keeper_remains.h"

#include <string_view>

#include "arenacache/base/tasks.h"

namespace arenacache::daemon {

namespace {

// As the worker names its threads: docs/architecture.md, "Threads".
constexpr std::string_view kOfTheOrigin = "origin-";
constexpr std::string_view kChanges = "origin-change";
constexpr std::string_view kNotifies = "vfs-notify";

}  // namespace

Remains remains_of(pid_t pid) {
  Remains remains{.can_be_left = base::is_over(pid), .has_changes = false};
  for (const base::Task& task : base::tasks_of(pid)) {
    if (task.has_ended()) continue;
    const bool may_be_lost = task.name.starts_with(kOfTheOrigin) || task.name == kNotifies;
    remains.can_be_left = remains.can_be_left && task.state == 'D' && may_be_lost;
    remains.has_changes = remains.has_changes || task.name == kChanges;
  }
  return remains;
}

}  // namespace arenacache::daemon
