// SPDX-License-Identifier: Apache-2.0
#include "connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

namespace arenacache::rpc {

namespace {

constexpr std::size_t kReadBytes = std::size_t{64} * 1024;

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t") == std::string_view::npos; }

}  // namespace

Peer peer_of(int socket) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return {};
  return {.process = credentials.pid, .user = credentials.uid};
}

short Connection::wanted_events() const {
  if (state_ == State::sending) return POLLOUT;
  // While a request runs nothing is read: a flood waits in the client's own socket buffer.
  return state_ == State::reading && !is_at_end_ ? POLLIN : short{0};
}

void Connection::handle(short revents, base::TimePoint now) {
  if ((revents & (POLLERR | POLLNVAL)) != 0) is_hung_up_ = true;
  if ((revents & POLLIN) != 0 && state_ == State::reading) read_some();
  // With POLLIN the last bytes are still to be read; the hang-up is told again after them.
  if ((revents & POLLHUP) != 0 && (revents & POLLIN) == 0) is_hung_up_ = true;
  if ((revents & POLLOUT) != 0) send_some(now);
}

std::optional<std::string> Connection::take_request() {
  if (state_ != State::reading || is_closing_) return std::nullopt;
  while (true) {
    auto line = input_.take_line();
    if (!line && is_at_end_) line = input_.take_rest();
    if (!line) return std::nullopt;
    if (is_blank(*line)) continue;
    state_ = State::running;
    return line;
  }
}

void Connection::answer(std::string line, base::TimePoint now) {
  if (line.empty()) return enter(State::reading, now);
  output_ = std::move(line);
  output_ += '\n';
  sent_bytes_ = 0;
  enter(State::sending, now);
  send_some(now);
}

void Connection::refuse(std::string line, base::TimePoint now) {
  is_closing_ = true;
  answer(std::move(line), now);
}

bool Connection::is_finished() const {
  switch (state_) {
    case State::reading:
      return is_hung_up_ || is_closing_ || (is_at_end_ && !input_.has_line());
    case State::running:
      return false;
    case State::sending:
      return is_hung_up_;
  }
  return true;
}

void Connection::enter(State state, base::TimePoint now) {
  state_ = state;
  since_ = now;
}

void Connection::read_some() {
  std::array<char, kReadBytes> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by recv
  const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got > 0) {
    input_.append({buffer.data(), static_cast<std::size_t>(got)});
  } else if (got == 0) {
    is_at_end_ = true;
  } else if (errno != EAGAIN && errno != EINTR) {
    is_hung_up_ = true;
  }
}

void Connection::send_some(base::TimePoint now) {
  while (state_ == State::sending) {
    const std::string_view rest = std::string_view(output_).substr(sent_bytes_);
    const ssize_t sent = ::send(fd_.get(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) is_hung_up_ = true;
      return;
    }
    sent_bytes_ += static_cast<std::size_t>(sent);
    if (sent_bytes_ < output_.size()) continue;
    output_ = std::string();  // gives a large answer's memory back
    enter(State::reading, now);
  }
}

}  // namespace arenacache::rpc
