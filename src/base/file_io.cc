// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/file_io.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::base {

namespace {

constexpr std::uint64_t kStatBlockBytes = 512;  // Source: stat(2), st_blocks
constexpr std::size_t kSectorBytes = 512;  // the least that O_DIRECT may have to ask for

std::unexpected<Error> io_error(int errno_value, std::string_view deed) {
  const bool is_full = errno_value == ENOSPC || errno_value == EDQUOT;
  return fail_errno(is_full ? ErrorKind::no_space : ErrorKind::store, errno_value, deed);
}

/// The path behind an fd, for sentences only.
std::string path_of(int fd) {
  std::string path(PATH_MAX, '\0');
  const ssize_t length = ::readlink(text("/proc/self/fd/", fd).c_str(), path.data(), path.size());
  if (length <= 0) return text("file descriptor ", fd);
  path.resize(static_cast<std::size_t>(length));
  return path;
}

/// Calls again as long as a signal interrupted the call.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

FileStat to_file_stat(const struct stat& raw) {
  return {.size_bytes = static_cast<std::uint64_t>(raw.st_size),
          .allocated_bytes = static_cast<std::uint64_t>(raw.st_blocks) * kStatBlockBytes,
          .inode = raw.st_ino,
          .device = raw.st_dev,
          .is_directory = S_ISDIR(raw.st_mode)};
}

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

Result<UniqueFd> PosixFileIo::open(const std::string& path, int flags, unsigned mode) {
  const int fd = uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(mode)); });
  if (fd < 0) return io_error(errno, text("cannot open ", path));
  return UniqueFd(fd);
}

Result<std::size_t> PosixFileIo::read_at(int fd, std::span<std::byte> out, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto rest = out.subspan(done);
    const ssize_t got =
        uninterrupted([&] { return ::pread(fd, rest.data(), rest.size(), static_cast<off_t>(offset + done)); });
    // Past the page cache a file that ends within a sector was read to its end; some file systems only say so like this.
    if (got < 0 && errno == EINVAL && done % kSectorBytes != 0) break;
    if (got < 0) return io_error(errno, text("cannot read ", path_of(fd), " at ", offset + done));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<void> PosixFileIo::write_at(int fd, std::span<const std::byte> data, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < data.size()) {
    const auto rest = data.subspan(done);
    const ssize_t put =
        uninterrupted([&] { return ::pwrite(fd, rest.data(), rest.size(), static_cast<off_t>(offset + done)); });
    if (put <= 0) return io_error(put < 0 ? errno : EIO, text("cannot write ", path_of(fd), " at ", offset + done));
    done += static_cast<std::size_t>(put);
  }
  return {};
}

Result<void> PosixFileIo::allocate(int fd, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  const int status = uninterrupted(
      [&] { return ::fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(length)); });
  if (status == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return {};
  return io_error(errno, text("cannot reserve ", length, " bytes for ", path_of(fd)));
}

Result<void> PosixFileIo::truncate(int fd, std::uint64_t size) {
  if (uninterrupted([&] { return ::ftruncate(fd, static_cast<off_t>(size)); }) == 0) return {};
  return io_error(errno, text("cannot set the size of ", path_of(fd), " to ", size));
}

Result<void> PosixFileIo::sync_data(int fd) {
  if (uninterrupted([&] { return ::fdatasync(fd); }) == 0) return {};
  return io_error(errno, text("cannot sync ", path_of(fd)));
}

Result<void> PosixFileIo::sync_directory(const std::string& path) {
  AC_ASSIGN(const UniqueFd directory, open(path, O_RDONLY | O_DIRECTORY, 0));
  if (uninterrupted([&] { return ::fsync(directory.get()); }) == 0) return {};
  return io_error(errno, text("cannot sync the directory ", path));
}

Result<void> PosixFileIo::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return io_error(errno, text("cannot rename ", from, " to ", to));
}

Result<void> PosixFileIo::link(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return {};
  return io_error(errno, text("cannot link ", from, " to ", to));
}

Result<void> PosixFileIo::unlink(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return {};
  return io_error(errno, text("cannot unlink ", path));
}

Result<void> PosixFileIo::make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), S_IRWXU) == 0) return {};
  const int errno_value = errno;
  if (errno_value == EEXIST) {
    AC_ASSIGN(const FileStat existing, stat(path));
    if (existing.is_directory) return {};
    return io_error(ENOTDIR, text("cannot make the directory ", path));
  }
  return io_error(errno_value, text("cannot make the directory ", path));
}

Result<FileStat> PosixFileIo::stat(const std::string& path) {
  struct stat raw = {};
  if (::stat(path.c_str(), &raw) != 0) return io_error(errno, text("cannot look at ", path));
  return to_file_stat(raw);
}

Result<FileStat> PosixFileIo::stat_fd(int fd) {
  struct stat raw = {};
  if (::fstat(fd, &raw) != 0) return io_error(errno, text("cannot look at ", path_of(fd)));
  return to_file_stat(raw);
}

Result<DiskSpace> PosixFileIo::disk_space(const std::string& path) {
  struct statvfs raw = {};
  if (uninterrupted([&] { return ::statvfs(path.c_str(), &raw); }) != 0) {
    return io_error(errno, text("cannot ask for the free space of ", path));
  }
  return DiskSpace{.total_bytes = std::uint64_t{raw.f_blocks} * raw.f_frsize,
                   .free_bytes = std::uint64_t{raw.f_bavail} * raw.f_frsize};
}

Result<std::vector<std::string>> PosixFileIo::list(const std::string& path) {
  const std::unique_ptr<DIR, DirectoryCloser> directory(::opendir(path.c_str()));
  if (!directory) return io_error(errno, text("cannot list ", path));
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return io_error(errno, text("cannot list ", path));
  return names;
}

void PosixFileIo::start_writeback(int fd, std::uint64_t offset, std::uint64_t length) {
  static_cast<void>(
      ::sync_file_range(fd, static_cast<off64_t>(offset), static_cast<off64_t>(length), SYNC_FILE_RANGE_WRITE));
}

Result<void> PosixFileIo::finish_writeback(int fd, std::uint64_t offset, std::uint64_t length) {
  constexpr unsigned kWriteAndWait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  const int status = uninterrupted(
      [&] { return ::sync_file_range(fd, static_cast<off64_t>(offset), static_cast<off64_t>(length), kWriteAndWait); });
  if (status == 0 || errno == EINVAL || errno == ESPIPE || errno == ENOSYS) return {};  // not on this file system
  return io_error(errno, text("cannot write ", path_of(fd), " to the disk"));
}

void PosixFileIo::drop_cache(int fd, std::uint64_t offset, std::uint64_t length) {
  static_cast<void>(::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED));
}

}  // namespace arenacache::base
