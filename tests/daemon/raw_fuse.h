// SPDX-License-Identifier: Apache-2.0
// The first exchange of the FUSE protocol, for servers that tests write by hand. Threads: the caller's. Locks: none.
#pragma once

#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace arenacache::daemon {

class RawFuse {
 public:
  explicit RawFuse(int fuse_fd) : fd_(fuse_fd) {}

  /// Blocks for the next request; false when the mount is gone.
  bool receive() {
    while (true) {
      const ssize_t length = ::read(fd_, request_.data(), request_.size());
      if (length > 0) break;
      if (errno != EINTR && errno != EAGAIN && errno != ENOENT) return false;
    }
    std::memcpy(&header_, request_.data(), sizeof header_);
    return true;
  }

  /// Receives and answers INIT; false if something else came.
  bool init() {
    if (!receive() || header_.opcode != FUSE_INIT) return false;
    fuse_init_out out{};
    out.major = FUSE_KERNEL_VERSION;
    out.minor = FUSE_KERNEL_MINOR_VERSION;
    out.max_write = 64 * 1024;
    reply(&out, sizeof out);
    return true;
  }

  /// A request that was read by somebody else.
  void take(std::span<const std::byte> request) {
    std::memcpy(request_.data(), request.data(), std::min(request.size(), request_.size()));
    std::memcpy(&header_, request_.data(), sizeof header_);
  }

  [[nodiscard]] const fuse_in_header& header() const { return header_; }
  /// The first string after the header: the name of a LOOKUP.
  [[nodiscard]] const char* name() const { return request_.data() + sizeof(fuse_in_header); }

  void reply(const void* body, std::size_t length) { send(0, body, length); }
  void fail(int errno_value) { send(-errno_value, nullptr, 0); }

 private:
  void send(int error, const void* body, std::size_t length) {
    fuse_out_header out{};
    out.len = static_cast<std::uint32_t>(sizeof out + length);
    out.error = error;
    out.unique = header_.unique;
    std::array<iovec, 2> parts{iovec{.iov_base = &out, .iov_len = sizeof out},
                               iovec{.iov_base = const_cast<void*>(body), .iov_len = length}};
    if (::writev(fd_, parts.data(), length == 0 ? 1 : 2) < 0) return;  // the caller has gone away in the meantime
  }

  int fd_;
  fuse_in_header header_{};
  std::string request_ = std::string(FUSE_MIN_READ_BUFFER + 1024UL * 1024, '\0');
};

}  // namespace arenacache::daemon
