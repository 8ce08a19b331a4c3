// SPDX-License-Identifier: Apache-2.0
// FileIo: every system call the fast side (the store) makes, behind one interface, so that a fault is an override.
// Promises: errors are ErrorKind::store with errno and path in the sentence, ENOSPC and EDQUOT ErrorKind::no_space.
// Threads: any. Never used for the origin. Real: PosixFileIo. Fake: FaultyFileIo (tests/support).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::base {

struct FileStat {
  std::uint64_t size_bytes = 0;
  std::uint64_t allocated_bytes = 0;  ///< st_blocks * 512: what the disk really gave
  std::uint64_t inode = 0;
  std::uint64_t device = 0;  ///< st_dev: which file system it lies on, for as long as that stays mounted
  bool is_directory = false;
};

struct DiskSpace {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  ///< what an unprivileged writer may still take (f_bavail)
};

class FileIo {
 public:
  virtual ~FileIo() = default;

  /// open(2) with O_CLOEXEC added.
  virtual Result<UniqueFd> open(const std::string& path, int flags, unsigned mode) = 0;
  /// Reads until `out` is full or end of file; returns the bytes read.
  virtual Result<std::size_t> read_at(int fd, std::span<std::byte> out, std::uint64_t offset) = 0;
  /// Writes all of `data` or fails.
  virtual Result<void> write_at(int fd, std::span<const std::byte> data, std::uint64_t offset) = 0;
  /// Reserves disk space for a range (fallocate, KEEP_SIZE). Where the file system cannot: success, nothing reserved.
  virtual Result<void> allocate(int fd, std::uint64_t offset, std::uint64_t length) = 0;
  virtual Result<void> truncate(int fd, std::uint64_t size) = 0;
  virtual Result<void> sync_data(int fd) = 0;
  /// Makes creations, links, renames and unlinks in a directory durable.
  virtual Result<void> sync_directory(const std::string& path) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// Gives the file at `from` a second name (a hard link). EEXIST: `to` is there.
  virtual Result<void> link(const std::string& from, const std::string& to) = 0;
  virtual Result<void> unlink(const std::string& path) = 0;
  /// Makes one directory, mode 0700; one that exists is success.
  virtual Result<void> make_directory(const std::string& path) = 0;
  virtual Result<FileStat> stat(const std::string& path) = 0;
  virtual Result<FileStat> stat_fd(int fd) = 0;
  virtual Result<DiskSpace> disk_space(const std::string& path) = 0;
  /// Names in a directory, without "." and "..", in no order.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  /// Begins to write a range's dirty pages to the disk and does not wait for it (advice, never fails).
  virtual void start_writeback(int fd, std::uint64_t offset, std::uint64_t length) = 0;
  /// Waits until a range's pages are clean. No sync: metadata and the disk's own cache stay as they are. An error told here is
  /// not told again by sync_data(), so the caller must keep it.
  virtual Result<void> finish_writeback(int fd, std::uint64_t offset, std::uint64_t length) = 0;
  /// Lets the page cache go of a range's clean pages (advice, never fails).
  virtual void drop_cache(int fd, std::uint64_t offset, std::uint64_t length) = 0;
};

class PosixFileIo final : public FileIo {
 public:
  Result<UniqueFd> open(const std::string& path, int flags, unsigned mode) override;
  Result<std::size_t> read_at(int fd, std::span<std::byte> out, std::uint64_t offset) override;
  Result<void> write_at(int fd, std::span<const std::byte> data, std::uint64_t offset) override;
  Result<void> allocate(int fd, std::uint64_t offset, std::uint64_t length) override;
  Result<void> truncate(int fd, std::uint64_t size) override;
  Result<void> sync_data(int fd) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> link(const std::string& from, const std::string& to) override;
  Result<void> unlink(const std::string& path) override;
  Result<void> make_directory(const std::string& path) override;
  Result<FileStat> stat(const std::string& path) override;
  Result<FileStat> stat_fd(int fd) override;
  Result<DiskSpace> disk_space(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  void start_writeback(int fd, std::uint64_t offset, std::uint64_t length) override;
  Result<void> finish_writeback(int fd, std::uint64_t offset, std::uint64_t length) override;
  void drop_cache(int fd, std::uint64_t offset, std::uint64_t length) override;
};

}  // namespace arenacache::base
