// SPDX-License-Identifier: Apache-2.0
// ChildProcess: one program started by a test, in a process group of its own, that never outlives the test.
// Promises: the destructor ends the group (SIGKILL) and reaps the child; a child whose test was killed gets SIGTERM.
// Threads: one owner. Never: signals a process it did not start.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "arenacache/base/unique_fd.h"

namespace arenacache::test {

struct ChildOptions {
  std::vector<std::string> arguments;     ///< arguments[0]: the program's path
  std::string output_path;                ///< stdout and stderr are appended there; empty: inherited
  std::optional<uid_t> run_as;            ///< user and group of the child
  std::vector<std::string> environment;   ///< NAME=value, added to the test's own
};

/// How a process ended: its exit code, or 128 + the signal, as a shell says it.
using ExitCode = int;

/// The processes that `parent` started and that are there now, by /proc.
std::vector<pid_t> children_of(pid_t parent);

class ChildProcess {
 public:
  explicit ChildProcess(const ChildOptions& options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// A descriptor that is readable once the process has ended.
  [[nodiscard]] int end_event() const { return pidfd_.get(); }
  [[nodiscard]] bool is_running();
  void signal(int number) const;
  /// Nothing: still running when `patience` was over.
  std::optional<ExitCode> wait(std::chrono::milliseconds patience);
  [[nodiscard]] std::vector<pid_t> children() const { return children_of(pid_); }

 private:
  pid_t pid_ = -1;
  base::UniqueFd pidfd_;
  std::optional<ExitCode> exit_code_;
};

/// What a finished program said and how it ended.
struct Finished {
  ExitCode exit_code = -1;
  std::string output;  ///< stdout and stderr together
};

/// Runs a program to its end, at most `patience` (exit code -1 when it had to be killed). `run_as`: see ChildOptions.
Finished run_program(const std::vector<std::string>& arguments,
                     std::chrono::milliseconds patience = std::chrono::seconds(60),
                     std::optional<uid_t> run_as = std::nullopt);

/// First existing path of a program in the usual folders, or empty.
std::string find_program(const std::string& name);

}  // namespace arenacache::test
