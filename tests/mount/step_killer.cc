// SPDX-License-Identifier: Apache-2.0
#include "mount/step_killer.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/mman.h>
extern "C" {  // which glibc 2.36 forgot in this header
#include <sys/pidfd.h>
}
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"

namespace arenacache::test {

struct StepKiller::Shared {
  pid_t victim = 0;  ///< set before the pipe is closed
  std::uint64_t steps = 0;
  std::atomic<bool> has_begun{false};
  std::atomic<bool> is_lost{false};  ///< could not watch
  std::atomic<bool> must_end{false};
  std::atomic<bool> has_killed{false};

  void trace();
};

namespace {

constexpr int kBetweenWakesMs = 2;
constexpr int kSyscallStop = SIGTRAP | 0x80;

/// Watches what of the victim's threads is not watched yet; returns how many are new.
int seize_threads(pid_t victim) {
  DIR* const folder = ::opendir(base::text("/proc/", victim, "/task").c_str());
  if (folder == nullptr) return 0;
  int count = 0;
  while (const dirent* entry = ::readdir(folder)) {  // NOLINT(concurrency-mt-unsafe): a stream of our own
    const auto thread = static_cast<pid_t>(std::strtol(static_cast<const char*>(entry->d_name), nullptr, 10));
    const auto options = static_cast<std::uintptr_t>(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE);
    if (thread <= 0 || ::ptrace(PTRACE_SEIZE, thread, nullptr, options) != 0) continue;
    ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
    ++count;
  }
  ::closedir(folder);
  return count;
}

/// Lets a stopped thread go on to its next step.
void go_on(pid_t thread, int status) {
  const bool is_signal = WSTOPSIG(status) != kSyscallStop && (status >> 16) == 0;
  const auto signal = static_cast<std::uintptr_t>(is_signal ? WSTOPSIG(status) : 0);
  ::ptrace(PTRACE_SYSCALL, thread, nullptr, signal);
}

void install_wake_signal() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, nullptr);
  sigset_t all;
  ::sigemptyset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
}

}  // namespace

/// Until the victim is dead, or is to be let go.
void StepKiller::Shared::trace() {
  // A thread that is made while they are counted is seen the second time.
  int waits_for = 0;
  for (int fresh = seize_threads(victim); fresh > 0; fresh = seize_threads(victim)) waits_for += fresh;
  is_lost = waits_for == 0;
  std::uint64_t done = 0;
  // What it killed is its to bury, before the parent hears of it.
  while (!is_lost.load() && (!must_end.load() || has_killed.load())) {
    int status = 0;
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread < 0 && errno == EINTR) continue;
    if (thread < 0) return;  // all have ended
    if (!WIFSTOPPED(status)) continue;
    if (!has_begun.load() && --waits_for <= 0) has_begun = true;
    if (WSTOPSIG(status) == kSyscallStop && ++done == steps) {
      has_killed = ::kill(victim, SIGKILL) == 0;
      continue;
    }
    go_on(thread, status);
  }
}

StepKiller::StepKiller()
    : shared_(new(::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared) {
  std::array<int, 2> pipe{-1, -1};
  AC_CHECK(::pipe2(pipe.data(), O_CLOEXEC) == 0);
  tracer_ = ::fork();
  if (tracer_ != 0) {
    ::close(pipe[0]);
    go_ = base::UniqueFd(pipe[1]);
    ended_ = base::UniqueFd(::pidfd_open(tracer_, 0));
    return;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(pipe[0], STDIN_FILENO);
  ::close_range(STDIN_FILENO + 1, ~0U, 0);
  install_wake_signal();
  std::byte word{};
  while (::read(STDIN_FILENO, &word, 1) < 0 && errno == EINTR && !shared_->must_end.load()) continue;
  if (!shared_->must_end.load()) shared_->trace();
  shared_->has_begun = true;
  ::_exit(0);  // what is still watched goes on unwatched
}

bool StepKiller::watch(pid_t victim, std::uint64_t steps) {
  shared_->steps = steps;
  shared_->victim = victim;
  go_.reset();
  while (!shared_->has_begun.load()) ::sched_yield();
  return !shared_->is_lost.load();
}

bool StepKiller::has_killed() const { return shared_->has_killed.load(); }

StepKiller::~StepKiller() {
  end();
  ::munmap(shared_, sizeof(Shared));
}

bool StepKiller::end() {
  if (tracer_ <= 0) return has_killed();
  shared_->must_end = true;
  // One that comes just before waitpid(2) wakes nobody, so until it has ended.
  pollfd ended{.fd = ended_.get(), .events = POLLIN, .revents = 0};
  do {
    ::kill(tracer_, SIGUSR1);
  } while (::poll(&ended, 1, kBetweenWakesMs) == 0);
  ::waitpid(tracer_, nullptr, 0);
  tracer_ = -1;
  return has_killed();
}

}  // namespace arenacache::test
