// SPDX-License-Identifier: Apache-2.0
#include "keeper_events.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <limits>
#include <vector>

namespace arenacache::daemon {

namespace {

int milliseconds_until(const Deadline& deadline) {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<long>(left, 0, std::numeric_limits<int>::max()));
}

}  // namespace

bool Event::asks_to_stop() const { return signal == SIGTERM || signal == SIGINT; }

base::Result<Events> Events::create() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  base::UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.is_open()) return base::fail_errno(base::ErrorKind::invalid, errno, "cannot watch for signals");
  return Events(std::move(signals));
}

Event Events::wait(const Watch& watch, Deadline deadline) const {
  std::vector<pollfd> polled{pollfd{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                             pollfd{.fd = watch.channel, .events = POLLIN, .revents = 0},
                             pollfd{.fd = watch.process, .events = POLLIN, .revents = 0},
                             pollfd{.fd = watch.mount_table, .events = POLLPRI, .revents = 0},
                             pollfd{.fd = watch.lifeline, .events = 0, .revents = 0}};
  polled.reserve(polled.size() + watch.leaving.size());
  for (const int child : watch.leaving) polled.push_back({.fd = child, .events = POLLIN, .revents = 0});
  while (true) {
    const int ready = ::poll(polled.data(), polled.size(), milliseconds_until(deadline));
    if (ready < 0 && errno == EINTR) continue;
    Event event;
    event.timed_out = ready <= 0;
    event.message = polled[1].revents != 0;
    event.exited = polled[2].revents != 0;
    event.mounts_changed = polled[3].revents != 0;
    event.is_cut_off = polled[4].revents != 0;
    signalfd_siginfo info{};
    if (polled[0].revents != 0 && ::read(signals_.get(), &info, sizeof info) == sizeof info) {
      event.signal = static_cast<int>(info.ssi_signo);
    }
    return event;
  }
}

}  // namespace arenacache::daemon
