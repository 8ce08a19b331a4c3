// SPDX-License-Identifier: Apache-2.0
// Opening what should be a file and may be something else by now: whoever can write to the source can put a FIFO under a name that
// was a file's, and an open of one waits for its other end, for ever.
// Threads: any. Errors: -1 and errno, as system calls give them.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

namespace arenacache::origin {

/// The descriptor of `open(flags)`, which adds the flags to its own. To a file or a folder O_NONBLOCK means nothing, but for one
/// that another program has a lease on: that one is to be asked for it, so it is waited for.
template <class Open>
int open_waitless(const Open& open) {
  const int fd = open(O_NONBLOCK);
  return fd < 0 && errno == EWOULDBLOCK ? open(0) : fd;
}

/// False, with ENXIO: the mirror has nothing to do with what is open there (the kernel opens FIFOs, sockets and devices itself).
inline bool is_file_or_folder(int fd) {
  struct ::stat status{};
  if (::fstat(fd, &status) != 0) return false;
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) return true;
  errno = ENXIO;
  return false;
}

}  // namespace arenacache::origin
