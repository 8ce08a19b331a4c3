// SPDX-License-Identifier: Apache-2.0
// Events: what the keeper can wait for, in one poll: signals, its channel, its children, the mount table.
// Promises: from create() on, SIGTERM, SIGINT and SIGHUP arrive here and nowhere else. Threads: one. Locks: none.
// Never: blocks past the deadline it is given.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::daemon {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

/// Descriptors to look at; -1: not at this one.
struct Watch {
  int channel = -1;      ///< readable: a message, or the other side is gone
  int process = -1;      ///< a pidfd
  int lifeline = -1;     ///< a pipe of which nothing is ever read: the other side is gone
  int mount_table = -1;  ///< /proc/self/mountinfo
  std::vector<int> leaving{};  ///< pidfds of more children; which of them ended is not told
};

struct Event {
  int signal = 0;  ///< SIGTERM, SIGINT, SIGHUP, or 0
  bool message = false;
  bool exited = false;
  bool is_cut_off = false;  ///< the lifeline's other side is gone
  bool mounts_changed = false;
  bool timed_out = false;  ///< nothing else happened

  [[nodiscard]] bool asks_to_stop() const;
};

class Events {
 public:
  static base::Result<Events> create();

  /// Waits for the first of what `watch` names, a signal, or `deadline` (nothing: for ever).
  [[nodiscard]] Event wait(const Watch& watch, Deadline deadline = std::nullopt) const;

 private:
  explicit Events(base::UniqueFd signals) : signals_(std::move(signals)) {}

  base::UniqueFd signals_;
};

}  // namespace arenacache::daemon
