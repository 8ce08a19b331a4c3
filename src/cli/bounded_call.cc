// SPDX-License-Identifier: Apache-2.0
#include "bounded_call.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

namespace arenacache::cli {

using base::UniqueFd;
using nlohmann::json;

namespace {

constexpr int kAnswerFd = 3;

/// The child: never returns.
[[noreturn]] void run_child(const std::function<json()>& work, int answer) {
  const int null = ::open("/dev/null", O_RDWR);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, standard);
  if (answer != kAnswerFd) ::dup2(answer, kAnswerFd);
  ::close_range(kAnswerFd + 1, UINT_MAX, 0);
  int code = 1;
  try {
    const std::string words = work().dump(-1, ' ', false, json::error_handler_t::replace);
    std::string_view left = words;
    while (!left.empty()) {
      const ssize_t written = ::write(kAnswerFd, left.data(), left.size());
      if (written <= 0) break;
      left.remove_prefix(static_cast<std::size_t>(written));
    }
    code = left.empty() ? 0 : 1;
  } catch (...) {
    code = 1;  // the parent finds no answer
  }
  ::_exit(code);
}

/// Waits until `fd` can be read; false: it still cannot at `deadline`. Past the deadline it looks once.
bool wait_readable(int fd, base::TimePoint deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - base::SystemClock().now()).count();
    pollfd event{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&event, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX)));
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) return false;
  }
}

}  // namespace

BoundedCall::BoundedCall(const std::function<json()>& work) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
  answer_ = UniqueFd(ends[0]);
  const UniqueFd their_end(ends[1]);
  child_ = ::fork();
  if (child_ == 0) run_child(work, their_end.get());
}

BoundedCall::BoundedCall(BoundedCall&& other) noexcept
    : child_(std::exchange(other.child_, -1)), answer_(std::move(other.answer_)), words_(std::move(other.words_)) {}

BoundedCall::~BoundedCall() {
  if (child_ <= 0) return;
  ::kill(child_, SIGKILL);
  // One that sleeps in the kernel cannot die; whoever is there when it can reaps it.
  ::waitpid(child_, nullptr, WNOHANG);
}

std::optional<json> BoundedCall::result(base::TimePoint deadline) {
  std::array<char, 4096> part{};
  while (true) {
    if (child_ <= 0 || !wait_readable(answer_.get(), deadline)) return std::nullopt;
    const ssize_t got = ::read(answer_.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    words_.append(part.data(), static_cast<std::size_t>(got));
  }
  json answer = json::parse(words_, nullptr, /*allow_exceptions=*/false);
  if (answer.is_discarded()) return std::nullopt;
  return answer;
}

base::TimePoint deadline_in(base::Duration patience) { return base::SystemClock().now() + patience; }

}  // namespace arenacache::cli
