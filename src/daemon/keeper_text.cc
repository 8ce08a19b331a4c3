// SPDX-License-Identifier: Apache-2.0
#include "keeper_text.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "arenacache/base/text.h"

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;
using base::UniqueFd;

namespace {

/// Far above what a configuration of 1 MiB can become.
constexpr off_t kMostBytes = off_t{16} << 20U;

}  // namespace

Result<UniqueFd> make_text_file(const char* name, std::string_view text) {
  UniqueFd file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const bool is_written = file.is_open() && ::pwrite(file.get(), text.data(), text.size(), 0) == std::ssize(text);
  if (!is_written || ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) != 0) {
    return base::fail_errno(ErrorKind::invalid, errno, base::text("cannot write down the ", name));
  }
  return file;
}

Result<std::string> read_text_file(int file) {
  struct stat status{};
  if (::fstat(file, &status) != 0 || status.st_size > kMostBytes) {
    return base::fail(ErrorKind::invalid, EPROTO, "a text between the daemon's processes cannot be read");
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  if (::pread(file, text.data(), text.size(), 0) != std::ssize(text)) {
    return base::fail_errno(ErrorKind::invalid, errno, "a text between the daemon's processes cannot be read");
  }
  return text;
}

}  // namespace arenacache::daemon
