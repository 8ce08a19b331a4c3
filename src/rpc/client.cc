// SPDX-License-Identifier: Apache-2.0
#include "arenacache/rpc/client.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include <nlohmann/json.hpp>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/rpc/json_rpc.h"
#include "unix_socket.h"

namespace arenacache::rpc {

using base::ErrorKind;
using base::fail;
using base::fail_errno;
using base::Result;
using base::text;

namespace {

/// Far above any answer a server gives; a bound against what is no server of ours.
constexpr std::size_t kMaxAnswerBytes = 64 * base::kMiB;

}  // namespace

Client::Client(base::UniqueFd fd, std::string socket_path)
    : fd_(std::move(fd)), socket_path_(std::move(socket_path)), input_(kMaxAnswerBytes) {}

Result<Client> Client::connect(const std::string& socket_path, base::Duration timeout) {
  AC_ASSIGN(base::UniqueFd fd, connect_to(socket_path, timeout));
  return Client(std::move(fd), socket_path);
}

Result<nlohmann::json> Client::call(std::string_view method, const nlohmann::json& params, base::Duration timeout) {
  const base::TimePoint deadline = base::SystemClock().now() + timeout;
  AC_ASSIGN(std::string request, request_line(++last_id_, method, params));
  request += '\n';
  AC_TRY(send(request, deadline));
  AC_ASSIGN(const std::string answer, receive(deadline));
  return read_answer(last_id_, answer);
}

Result<void> Client::send(std::string_view line, base::TimePoint deadline) {
  while (!line.empty()) {
    const ssize_t sent = ::send(fd_.get(), line.data(), line.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      line.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      AC_TRY(wait_for(POLLOUT, deadline));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      // The daemon may have said why before it closed: receive() finds that.
      return {};
    } else if (errno != EINTR) {
      return fail_errno(ErrorKind::origin, errno, text("cannot ask the daemon at ", socket_path_));
    }
  }
  return {};
}

Result<std::string> Client::receive(base::TimePoint deadline) {
  std::array<char, 65536> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by recv
  while (true) {
    if (auto line = input_.take_line()) return std::move(*line);
    if (input_.is_overlong())
      return fail(ErrorKind::corrupt, 0, text("the answer from ", socket_path_, " does not end"));
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) {
      input_.append({buffer.data(), static_cast<std::size_t>(got)});
    } else if (got == 0 || errno == ECONNRESET) {
      return fail(ErrorKind::origin, ECONNRESET, text("the daemon at ", socket_path_, " closed the connection"));
    } else if (errno == EAGAIN) {
      AC_TRY(wait_for(POLLIN, deadline));
    } else if (errno != EINTR) {
      return fail_errno(ErrorKind::origin, errno, text("cannot read the answer from ", socket_path_));
    }
  }
}

Result<void> Client::wait_for(short events, base::TimePoint deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - base::SystemClock().now());
  if (left.count() <= 0) {
    return fail(ErrorKind::timeout, ETIMEDOUT, text("the daemon at ", socket_path_, " does not answer in time"));
  }
  pollfd fd = {.fd = fd_.get(), .events = events, .revents = 0};
  // Whatever poll says, the caller's next try finds out: an error, a hang-up, or that the deadline passed.
  ::poll(&fd, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
  return {};
}

}  // namespace arenacache::rpc
