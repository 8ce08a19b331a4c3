// SPDX-License-Identifier: Apache-2.0
#include "raw_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "support/matchers.h"
#include "unix_socket.h"

namespace arenacache::test {

RawClient::RawClient(const std::string& socket_path) : fd_(must(rpc::connect_to(socket_path, kPatience))) {}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t sent = send_some(bytes);
    bytes.remove_prefix(sent);
    if (sent == 0 && (errno != EAGAIN || !wait_for(POLLOUT))) return false;
  }
  return true;
}

std::size_t RawClient::send_some(std::string_view bytes) {
  const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

std::optional<std::string> RawClient::read_line() {
  std::array<char, 65536> buffer{};
  while (true) {
    if (const std::size_t end = input_.find('\n'); end != std::string::npos) {
      std::string line = input_.substr(0, end);
      input_.erase(0, end + 1);
      return line;
    }
    if (!wait_for(POLLIN)) return std::nullopt;
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) return std::nullopt;
    input_.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

bool RawClient::is_closed_soon() {
  std::array<char, 65536> buffer{};
  while (wait_for(POLLIN)) {
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return true;
  }
  return false;
}

void RawClient::close_sending() { ::shutdown(fd_.get(), SHUT_WR); }

bool RawClient::wait_for(short events) {
  pollfd fd = {.fd = fd_.get(), .events = events, .revents = 0};
  return ::poll(&fd, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) == 1;
}

}  // namespace arenacache::test
