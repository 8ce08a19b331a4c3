// SPDX-License-Identifier: Apache-2.0
#include "engine_state.h"

#include <chrono>

namespace arenacache::cache {

namespace {

constexpr auto kCommandIsKnownFor = std::chrono::milliseconds(100);

}  // namespace

bool EngineState::is_ignored_command(const Source& source, pid_t pid) {
  const base::TimePoint now = core->clock.now();
  {
    const base::MutexLock lock(mutex_);
    const bool is_same = last_.source == &source && last_.pid == pid;
    if (is_same && now - last_.seen < kCommandIsKnownFor) return last_.is_ignored;
  }
  const bool is_ignored = source.is_ignored_command(pid);
  const base::MutexLock lock(mutex_);
  last_ = {.source = &source, .pid = pid, .seen = now, .is_ignored = is_ignored};
  return is_ignored;
}

void EngineState::forget_command() {
  const base::MutexLock lock(mutex_);
  last_ = {};
}

}  // namespace arenacache::cache
