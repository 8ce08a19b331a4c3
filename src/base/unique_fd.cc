// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/unique_fd.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"

namespace arenacache::base {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

UniqueFd::~UniqueFd() { reset(); }

void UniqueFd::reset() {
  if (const int fd = std::exchange(fd_, -1); fd >= 0) ::close(fd);
}

Result<void> UniqueFd::close() {
  const int fd = std::exchange(fd_, -1);
  // Not tried again on EINTR: Linux has let go of the number by then, and another thread may own it.
  if (fd < 0 || ::close(fd) == 0) return {};
  return fail_errno(ErrorKind::store, errno, text("cannot close file descriptor ", fd));
}

}  // namespace arenacache::base
