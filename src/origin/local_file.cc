// SPDX-License-Identifier: Apache-2.0
#include "local_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "origin_error.h"

namespace arenacache::origin {
namespace {

/// Calls again while a signal interrupts.
template <class Call>
auto retried(Call call) -> decltype(call()) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

off_t position(std::uint64_t offset) { return static_cast<off_t>(offset); }

}  // namespace

base::Result<std::size_t> LocalFile::read_at(std::span<std::byte> out, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto rest = out.subspan(done);
    const ssize_t got = retried([&] { return ::pread(fd_.get(), rest.data(), rest.size(), position(offset + done)); });
    if (got < 0) return failed("read", path_);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

base::Result<std::size_t> LocalFile::write_at(std::span<const std::byte> data, std::uint64_t offset, bool append) {
  std::size_t done = 0;
  while (done < data.size()) {
    const auto rest = data.subspan(done);
    // writev takes no const.
    ::iovec part{.iov_base = const_cast<std::byte*>(rest.data()), .iov_len = rest.size()};
    const off_t at = append ? 0 : position(offset + done);
    const ssize_t put = retried([&] { return ::pwritev2(fd_.get(), &part, 1, at, append ? RWF_APPEND : 0); });
    if (put < 0 && done == 0) return failed("write", path_);
    if (put <= 0) break;
    done += static_cast<std::size_t>(put);
  }
  return done;
}

base::Result<Attributes> LocalFile::stat() {
  Attributes attributes{};
  if (::fstat(fd_.get(), &attributes) != 0) return failed("stat", path_);
  inodes_->localise(attributes, fd_.get(), path_);
  return attributes;
}

base::Result<void> LocalFile::truncate(std::uint64_t size) {
  if (retried([&] { return ::ftruncate(fd_.get(), position(size)); }) != 0) return failed("truncate", path_);
  return {};
}

base::Result<void> LocalFile::sync(bool data_only) {
  if ((data_only ? ::fdatasync(fd_.get()) : ::fsync(fd_.get())) != 0) return failed("sync", path_);
  return {};
}

base::Result<void> LocalFile::flush() {
  const int copy = ::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0 || ::close(copy) != 0) return failed("close", path_);
  return {};
}

base::Result<void> LocalFile::allocate(int mode, std::uint64_t offset, std::uint64_t length) {
  if (retried([&] { return ::fallocate(fd_.get(), mode, position(offset), position(length)); }) != 0) {
    return failed("allocate", path_);
  }
  return {};
}

base::Result<std::uint64_t> LocalFile::seek(std::uint64_t offset, int whence) {
  const off_t found = ::lseek(fd_.get(), position(offset), whence);
  if (found < 0) return failed("seek in", path_);
  return static_cast<std::uint64_t>(found);
}

base::Result<std::size_t> LocalFile::copy_range(std::uint64_t offset, OriginFile& to, std::uint64_t to_offset,
                                                std::size_t length) {
  if (to.descriptor() < 0) return base::fail(base::ErrorKind::origin, EXDEV, "cannot copy between two origins");
  off_t from = position(offset);
  off_t target = position(to_offset);
  const ssize_t copied =
      retried([&] { return ::copy_file_range(fd_.get(), &from, to.descriptor(), &target, length, 0); });
  if (copied < 0) return failed("copy from", path_);
  return static_cast<std::size_t>(copied);
}

void LocalFile::drop_cache(std::uint64_t offset, std::uint64_t length) {
  static_cast<void>(::posix_fadvise(fd_.get(), position(offset), position(length), POSIX_FADV_DONTNEED));
}

}  // namespace arenacache::origin
