// SPDX-License-Identifier: Apache-2.0
#include "keeper_process.h"

#include <fcntl.h>
#include <sys/resource.h>
extern "C" {  // which glibc 2.36 forgot in this header
#include <sys/pidfd.h>
}
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;

namespace {

/// What no child may inherit from a process that takes its signals from a signalfd.
void reset_signals() {
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// What exec wants: pointers into `strings`, and a null.
std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void execute(const Program& program) {
  reset_signals();
  if (program.inherited_fd >= 0) ::fcntl(program.inherited_fd, F_SETFD, 0);
  if (program.directory >= 0 && ::fchdir(program.directory) != 0) ::_exit(127);
  std::vector<std::string> environment = program.environment;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  std::vector<std::string> arguments = program.arguments;
  ::execvpe(program.executable.c_str(), pointers_to(arguments).data(), pointers_to(environment).data());
  ::_exit(127);
}

}  // namespace

std::string ExitStatus::describe() const {
  if (signal == 0) return base::text("exited with ", code);
  return base::text("was killed by signal ", signal, " (", ::strsignal(signal), ")");
}

Result<ChildProcess> ChildProcess::adopt(pid_t pid) {
  if (pid < 0) return base::fail_errno(ErrorKind::invalid, errno, "cannot start a process");
  // Nobody reaps our children but us, so the pid is still this child's.
  base::UniqueFd pidfd(::pidfd_open(pid, 0));
  if (!pidfd.is_open()) {
    const int cause = errno;
    ::kill(pid, SIGKILL);
    return base::fail_errno(ErrorKind::invalid, cause, "cannot watch a process (Linux 5.3 or newer is needed)");
  }
  return ChildProcess(pid, std::move(pidfd));
}

Result<ChildProcess> ChildProcess::spawn(const Program& program) {
  const pid_t pid = ::fork();
  if (pid == 0) execute(program);
  return adopt(pid);
}

Result<ChildProcess> ChildProcess::call(const std::function<int()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(work());
  return adopt(pid);
}

void ChildProcess::kill(int signal) const {
  if (is_started() && !ended_) ::pidfd_send_signal(pidfd_.get(), signal, nullptr, 0);
}

std::optional<ExitStatus> ChildProcess::try_reap() {
  if (ended_ || !is_started()) return ended_;
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) {
    return std::nullopt;
  }
  const bool exited = info.si_code == CLD_EXITED;
  ended_ = ExitStatus{.code = exited ? info.si_status : 0, .signal = exited ? 0 : info.si_status};
  return ended_;
}

void raise_open_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) base::log_debug("cannot raise the limit of open files");
}

}  // namespace arenacache::daemon
