// SPDX-License-Identifier: Apache-2.0
// Tasks: how the threads of some process fare, as /proc tells it. Threads: any. Never: fails; what cannot be read is not there.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace arenacache::base {

struct Task {
  std::string name;
  char state = 0;  ///< 'R' runs, 'S' sleeps, 'D' waits where no signal reaches it, 'Z' and 'X' have ended
  [[nodiscard]] bool has_ended() const { return state == 'Z' || state == 'X'; }
};

/// The threads of process `pid`, in no order; empty: there is no such process.
[[nodiscard]] std::vector<Task> tasks_of(pid_t pid);

/// There is no such process, or its main thread has ended: what is left of it is being killed.
[[nodiscard]] bool is_over(pid_t pid);

}  // namespace arenacache::base
