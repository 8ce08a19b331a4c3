// SPDX-License-Identifier: Apache-2.0
#include "fd_channel.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <system_error>

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;

namespace {

constexpr char kProtocolVersion = 2;
constexpr std::size_t kHeaderBytes = 2;
constexpr int kSendPatienceS = 5;
/// Three paths of PATH_MAX and some numbers fit well.
constexpr std::size_t kMaxMessageBytes = 64UL * 1024;
constexpr std::size_t kMaxFds = 4;

/// Room for the control message of kMaxFds descriptors, aligned as the kernel wants it.
struct ControlSpace {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxFds)> bytes{};
};

std::vector<base::UniqueFd> take_fds(msghdr& header) {
  std::vector<base::UniqueFd> fds;
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
      fds.emplace_back(fd);
    }
  }
  return fds;
}

std::vector<std::string> split_fields(std::string_view body) {
  std::vector<std::string> fields;
  while (!body.empty()) {
    const std::size_t end = body.find('\0');
    fields.emplace_back(body.substr(0, end));
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
  }
  return fields;
}

}  // namespace

Result<std::pair<FdChannel, FdChannel>> FdChannel::create_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return base::fail_errno(ErrorKind::invalid, errno, "cannot create a socket pair");
  }
  // Whoever does not take what it is sent for so long is as good as dead.
  const timeval patience{.tv_sec = kSendPatienceS, .tv_usec = 0};
  for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return std::pair{FdChannel(base::UniqueFd(ends[0])), FdChannel(base::UniqueFd(ends[1]))};
}

std::optional<std::uint64_t> number_in(std::string_view field) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc{} || end != field.data() + field.size()) return std::nullopt;
  return value;
}

Result<void> FdChannel::send(MessageKind kind, std::span<const std::string> fields, std::span<const int> fds) const {
  std::string packet{kProtocolVersion, static_cast<char>(kind)};
  for (const std::string& field : fields) packet.append(field).push_back('\0');
  if (packet.size() > kMaxMessageBytes || fds.size() > kMaxFds) {
    return base::fail(ErrorKind::invalid, EMSGSIZE, "a message between the daemon's processes is too long");
  }
  iovec part{.iov_base = packet.data(), .iov_len = packet.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  ControlSpace space;
  if (!fds.empty()) {
    header.msg_control = space.bytes.data();
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(control), fds.data(), fds.size_bytes());
  }
  while (::sendmsg(socket_.get(), &header, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return base::fail_errno(ErrorKind::invalid, errno, "cannot reach the daemon's other process");
  }
  return {};
}

Result<FdChannel::Packet> FdChannel::receive_packet() const {
  Packet packet;
  packet.bytes.resize(kMaxMessageBytes);
  iovec part{.iov_base = packet.bytes.data(), .iov_len = packet.bytes.size()};
  ControlSpace space;
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = space.bytes.data();
  header.msg_controllen = space.bytes.size();
  ssize_t length = 0;
  while ((length = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC)) < 0) {
    if (errno == ECONNRESET) break;  // it died with our message unread
    if (errno != EINTR) return base::fail_errno(ErrorKind::invalid, errno, "cannot hear the daemon's other process");
  }
  packet.bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  if (length > 0) packet.fds = take_fds(header);
  packet.truncated = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  return packet;
}

Result<std::optional<Message>> FdChannel::receive() const {
  AC_ASSIGN(Packet packet, receive_packet());
  if (packet.bytes.empty()) return std::optional<Message>{};
  if (packet.truncated || packet.bytes.size() < kHeaderBytes || packet.bytes[0] != kProtocolVersion) {
    return base::fail(ErrorKind::invalid, EPROTO, "the daemon's other process speaks another protocol");
  }
  return std::optional<Message>(Message{.kind = static_cast<MessageKind>(packet.bytes[1]),
                                        .fields = split_fields(std::string_view(packet.bytes).substr(kHeaderBytes)),
                                        .fds = std::move(packet.fds)});
}

Result<std::optional<base::UniqueFd>> FdChannel::receive_bare_fd() const {
  AC_ASSIGN(Packet packet, receive_packet());
  if (packet.fds.empty()) return std::optional<base::UniqueFd>{};
  return std::optional<base::UniqueFd>(std::move(packet.fds.front()));
}

}  // namespace arenacache::daemon
