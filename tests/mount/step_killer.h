// SPDX-License-Identifier: Apache-2.0
// StepKiller: kills a program between two of its steps: before or after the n-th system call that any of its threads makes from now
// on. What lies between two calls changes nothing outside the program, so all n together are all ways to die.
// Promises: a program that has not come so far goes on as if nobody had looked. Threads: one owner; a child of its own does the
// tracing. Never: kills what has ended since, or anything else.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "arenacache/base/unique_fd.h"

namespace arenacache::test {

class StepKiller {
 public:
  /// Make it before anything of a mount is open: what its child would have to close might wait for the victim.
  StepKiller();
  ~StepKiller();
  StepKiller(const StepKiller&) = delete;
  StepKiller& operator=(const StepKiller&) = delete;

  /// Kills `victim` after `steps` from now on; once. Returns when every thread is watched; false: it cannot be (only root may, and only
  /// what lives).
  [[nodiscard]] bool watch(pid_t victim, std::uint64_t steps);
  /// It was killed by now.
  [[nodiscard]] bool has_killed() const;
  /// Lets the program go where it was not killed. True: it was.
  bool end();

 private:
  struct Shared;
  Shared* shared_;
  pid_t tracer_ = -1;
  base::UniqueFd go_;  ///< closed: it may begin
  base::UniqueFd ended_;  ///< readable once it has ended
};

}  // namespace arenacache::test
