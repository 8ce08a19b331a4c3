// SPDX-License-Identifier: Apache-2.0
// BoundedCall: work that may block for good (a hung NFS, a stuck mount), done in a child process.
// Promises: whoever asks never waits longer than the deadline, whatever state the child is in; the child holds none of the
// caller's descriptors, so that nobody waits for it through a pipe either. A child that does not come back is killed and, where
// the kernel does not let it die, left behind.
// Threads: one owner; started while the process has no other thread that matters (it forks). Never: throws.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::cli {

class BoundedCall {
 public:
  /// Starts `work`; what it returns comes back as JSON.
  explicit BoundedCall(const std::function<nlohmann::json()>& work);
  ~BoundedCall();
  BoundedCall(BoundedCall&& other) noexcept;
  BoundedCall& operator=(BoundedCall&&) = delete;
  BoundedCall(const BoundedCall&) = delete;
  BoundedCall& operator=(const BoundedCall&) = delete;

  /// What the work returned; nothing: it did not end until `deadline`, or threw, or died. An answer that is there counts past the
  /// deadline too, so that several calls can share one. May be asked again.
  [[nodiscard]] std::optional<nlohmann::json> result(base::TimePoint deadline);

 private:
  pid_t child_ = -1;
  base::UniqueFd answer_;
  std::string words_;  ///< what has come of the answer
};

/// When `patience` will have passed from now on.
[[nodiscard]] base::TimePoint deadline_in(base::Duration patience);

}  // namespace arenacache::cli
