// SPDX-License-Identifier: Apache-2.0
#include "fuse_device_io.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>
#include <span>

#include "fuse_session.h"

namespace arenacache::vfs {

namespace {

PassthroughAsked& asked_of(void* userdata) { return static_cast<FuseContext*>(userdata)->passthrough; }

ssize_t write_reply(int fd, struct iovec* parts, int count, void* userdata) {
  see_reply(asked_of(userdata), {parts, static_cast<std::size_t>(count)});
  return ::writev(fd, parts, count);
}

ssize_t read_request(int fd, void* buffer, size_t size, void* userdata) {
  const ssize_t got = ::read(fd, buffer, size);
  if (got > 0) see_request(asked_of(userdata), {static_cast<const std::byte*>(buffer), static_cast<std::size_t>(got)});
  return got;
}

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
