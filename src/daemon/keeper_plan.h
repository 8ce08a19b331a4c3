// SPDX-License-Identifier: Apache-2.0
// Plan: what the reader child found out for the keeper, with every folder opened before anything is mounted over it.
// Promises: a complete plan holds as many mounts as its first message announced. Threads: values. Locks: none.
// Never: opens, stats or resolves a path; whoever receives a plan cannot be blocked by a hung folder.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "fd_channel.h"

namespace arenacache::daemon {

struct PlannedMount {
  std::size_t number = 0;  ///< in the plan as it was made: others may have been unmounted by somebody else since
  std::string name;
  std::string mountpoint;           ///< absolute, for fusermount3 and for people
  std::string source_name;          ///< the mount's source in mountinfo
  std::uint64_t readahead_kib = 0;  ///< of the mount's backing device info
  std::string facts;                ///< what the source said of itself when it was opened, for the workers: a line
  base::UniqueFd source;            ///< O_RDONLY | O_DIRECTORY
  base::UniqueFd place;             ///< O_PATH, the folder that is mounted over
};

struct Plan {
  bool foreground = false;
  base::LogLevel log_level = base::LogLevel::info;
  std::chrono::milliseconds crash_window{
      60'000};  ///< crashes of workers within it count together; 0: they are not counted
  base::UniqueFd configuration;  ///< what the reader read, written down for the workers (keeper_text.h)
  std::vector<PlannedMount> mounts;
};

/// Sends `plan` as one message for itself and one for each mount.
[[nodiscard]] base::Result<void> send_plan(const FdChannel& channel, const Plan& plan);

/// The plan without its descriptors, and back. ErrorKind::invalid for anything else.
[[nodiscard]] std::string plan_text(const Plan& plan);
[[nodiscard]] base::Result<Plan> parse_plan_text(std::string_view text);

/// Puts a plan together from its messages.
class PlanAssembler {
 public:
  /// Takes the next message. ErrorKind::invalid for one that is no part of a plan.
  [[nodiscard]] base::Result<void> add(Message message);
  [[nodiscard]] bool is_complete() const { return announced_ && plan_.mounts.size() == expected_; }
  /// The complete plan.
  [[nodiscard]] Plan take() { return std::move(plan_); }

 private:
  bool announced_ = false;
  std::size_t expected_ = 0;
  Plan plan_;
};

}  // namespace arenacache::daemon
