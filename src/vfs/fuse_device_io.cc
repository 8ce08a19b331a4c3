// SPDX-License-Identifier: Apache-2.0
#include "fuse_device_io.h"

#include <sys/uio.h>
#include <unistd.h>

namespace arenacache::vfs {

namespace {

ssize_t write_reply(int fd, struct iovec* parts, int count, void* /*userdata*/) { return ::writev(fd, parts, count); }

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
