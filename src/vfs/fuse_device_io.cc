// SPDX-License-Identifier: Apache-2.0
#include "fuse_device_io.h"

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "fuse_session.h"

namespace arenacache::vfs {

namespace {

/// fuse_out_header (linux/fuse.h).
struct ReplyHead {
  std::uint32_t length;
  std::int32_t error;
  std::uint64_t number;
};

/// libfuse writes at most its header, two parts of a body and a padding for what is short enough to be kept.
constexpr std::size_t kMostParts = 4;

std::size_t as_parts(std::span<const iovec> from, std::array<std::span<const std::byte>, kMostParts>& to) {
  if (from.size() > to.size()) return 0;
  for (std::size_t i = 0; i < from.size(); ++i)
    to[i] = {static_cast<const std::byte*>(from[i].iov_base), from[i].iov_len};
  return from.size();
}

ssize_t write_reply(int fd, struct iovec* parts, int count, void* userdata) {
  auto& context = *static_cast<FuseContext*>(userdata);
  const std::span<const iovec> reply(parts, static_cast<std::size_t>(count));
  see_reply(context.passthrough, reply);
  ReplyHead head{};
  if (reply.empty() || reply[0].iov_len < sizeof head) return ::writev(fd, parts, count);
  std::memcpy(&head, reply[0].iov_base, sizeof head);
  if (!context.is_init_answered) return answer_init(context, fd, reply);
  handover::Slot* const slot = slot_at_hand();
  if (slot == nullptr || slot->number() != head.number) return ::writev(fd, parts, count);  // tells, answers nobody
  std::array<std::span<const std::byte>, kMostParts> bytes;
  if (const std::size_t known = as_parts(reply, bytes); known > 0) slot->keep_reply(std::span(bytes).first(known));
  const ssize_t written = ::writev(fd, parts, count);
  const int said = errno;
  slot->settle();
  errno = said;
  return written;
}

/// libfuse wants one, and never calls it.
ssize_t read_request(int fd, void* buffer, size_t size, void* /*userdata*/) { return ::read(fd, buffer, size); }

constexpr fuse_custom_io make_device_io() {
  fuse_custom_io io{};
  io.writev = write_reply;
  io.read = read_request;
  return io;
}

}  // namespace

const fuse_custom_io& fuse_device_io() {
  static constexpr fuse_custom_io kIo = make_device_io();
  return kIo;
}

}  // namespace arenacache::vfs
