// SPDX-License-Identifier: Apache-2.0
// ChildProcess: one child, watched and signalled through its pidfd, so that a reused pid is never hit.
// Promises: the destructor neither waits nor kills (a child in D state would hold the keeper up); end it first.
// Threads: one; the process that forks is single-threaded. Locks: none. Never: waits without a deadline.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::daemon {

/// How a child ended.
struct ExitStatus {
  int code = 0;    ///< exit code; meaningless when killed
  int signal = 0;  ///< the signal that killed it; 0: it exited

  [[nodiscard]] std::string describe() const;  ///< "exited with 1", "was killed by signal 11 (Segmentation fault)"
};

struct Program {
  std::string executable;
  std::vector<std::string> arguments;     ///< argv, the program's name first
  int inherited_fd = -1;                  ///< stays open in the program, under the same number
  std::vector<std::string> environment;   ///< "NAME=value", added to ours
  int directory = -1;                     ///< where it starts; -1: where we are
};

class ChildProcess {
 public:
  ChildProcess() = default;

  /// Forks and executes `program` with no signal blocked. A program that cannot be executed exits with 127.
  static base::Result<ChildProcess> spawn(const Program& program);
  /// Forks and runs `work` in the child, whose exit code is what it returns. Signals stay blocked there.
  static base::Result<ChildProcess> call(const std::function<int()>& work);

  [[nodiscard]] bool is_started() const { return pidfd_.is_open(); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Readable once the child has ended.
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  void kill(int signal) const;
  /// Reaps the child if it has ended; nothing while it runs. Does not block.
  [[nodiscard]] std::optional<ExitStatus> try_reap();

 private:
  ChildProcess(pid_t pid, base::UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  static base::Result<ChildProcess> adopt(pid_t pid);

  pid_t pid_ = -1;
  base::UniqueFd pidfd_;
  std::optional<ExitStatus> ended_;
};

/// This process may open as many files as it is allowed to at all.
void raise_open_file_limit();

}  // namespace arenacache::daemon
