// SPDX-License-Identifier: Apache-2.0
// FaultyFileIo: a real PosixFileIo that fails when told, counts what it is asked, and can lose what was not synced.
// Promises: a failed call changed nothing, save a torn write, which wrote a first part. Errors have PosixFileIo's kinds.
// Threads: any; calls that change something run one at a time. The files must lie on the file system of TempDir.
//
//   fail at n:     for (n = 1;; ++n) { io.fail_from(n, EIO); scenario(io); bool done = io.count() < n; io.heal(); ... }
//   a power cut:   io.fail_from(n, EIO); scenario; io.lose_unsynced(); io.heal(); open the store again and compare
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/executor.h"
#include "arenacache/base/file_io.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "support/undo_log.h"

namespace arenacache::test {

/// The kinds of calls, named as FileIo's methods; stat and stat_fd are one.
enum class FileCall : std::uint8_t {
  open,
  read_at,
  write_at,
  allocate,
  truncate,
  sync_data,
  sync_directory,
  rename,
  link,
  unlink,
  make_directory,
  stat,
  disk_space,
  list,
  finish_writeback,
};
inline constexpr std::size_t kFileCalls = 15;

class FaultyFileIo final : public base::FileIo {
 public:
  /// The n-th call from now (1: the next), of any kind or of one, fails with `errno_value`; calls after it work.
  void fail_nth(std::size_t n, int errno_value);
  void fail_nth(FileCall call, std::size_t n, int errno_value);
  /// From the n-th call from now on every call, of any kind or of one, fails: a dead disk, a full disk, a machine going down.
  void fail_from(std::size_t n, int errno_value);
  void fail_from(FileCall call, std::size_t n, int errno_value);
  /// The n-th write from now writes its first `bytes` bytes, then fails with `errno_value`.
  void tear_nth_write(std::size_t n, std::size_t bytes, int errno_value);
  /// disk_space() answers this from now on.
  void pretend_space(base::DiskSpace space);
  /// What lies in `folder` is on a disk of its own from now on, heal() or not.
  void pretend_own_disk(const std::string& folder);
  /// Forgets every fault and pretended answer; counts and unsynced changes stay.
  void heal();

  /// Syncs are counted and remembered, and not done: what a power cut would leave is a matter of the model alone.
  void spare_the_disk();
  /// The next link(), unlink() or write_at() does `job` first; others go on meanwhile.
  void before_next(FileCall call, base::Job job);
  /// As on a file system that knows no O_DIRECT: opens with it fail with EINVAL from now on.
  void refuse_direct();

  /// Power cut: drops bytes, sizes and names that were not synced. The fds handed out must be closed or unused from here on.
  void lose_unsynced();
  /// The same, but as a disk does it: of each file, and of all names together, some first part of what was not synced arrived.
  void lose_some_unsynced(std::mt19937_64& random);

  /// Calls so far, failed ones too.
  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] std::size_t count(FileCall call) const;
  /// Bytes that write_at() wrote.
  [[nodiscard]] std::uint64_t written_bytes() const;

  base::Result<base::UniqueFd> open(const std::string& path, int flags, unsigned mode) override;
  base::Result<std::size_t> read_at(int fd, std::span<std::byte> out, std::uint64_t offset) override;
  base::Result<void> write_at(int fd, std::span<const std::byte> data, std::uint64_t offset) override;
  base::Result<void> allocate(int fd, std::uint64_t offset, std::uint64_t length) override;
  base::Result<void> truncate(int fd, std::uint64_t size) override;
  base::Result<void> sync_data(int fd) override;
  base::Result<void> sync_directory(const std::string& path) override;
  base::Result<void> rename(const std::string& from, const std::string& to) override;
  base::Result<void> link(const std::string& from, const std::string& to) override;
  base::Result<void> unlink(const std::string& path) override;
  base::Result<void> make_directory(const std::string& path) override;
  base::Result<base::FileStat> stat(const std::string& path) override;
  base::Result<base::FileStat> stat_fd(int fd) override;
  base::Result<base::DiskSpace> disk_space(const std::string& path) override;
  base::Result<std::vector<std::string>> list(const std::string& path) override;
  void start_writeback(int fd, std::uint64_t offset, std::uint64_t length) override;
  base::Result<void> finish_writeback(int fd, std::uint64_t offset, std::uint64_t length) override;
  void drop_cache(int fd, std::uint64_t offset, std::uint64_t length) override;

 private:
  struct Fault {
    std::optional<FileCall> call;  ///< nothing: any
    std::size_t at;  ///< fires when it has counted down to 0
    int errno_value;
    bool is_forever = false;
    std::optional<std::size_t> torn_bytes;
  };
  struct Verdict {
    int errno_value = 0;  ///< 0: go on
    std::size_t torn_bytes = 0;
  };

  void add(Fault fault);
  Verdict judge(FileCall call) AC_REQUIRES(mutex_);
  void run_before(FileCall call, base::MutexLock& lock) AC_REQUIRES(mutex_);
  base::Result<void> enter(FileCall call, std::string_view what) AC_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  base::PosixFileIo real_;
  UndoLog undo_ AC_GUARDED_BY(mutex_);
  std::vector<Fault> faults_ AC_GUARDED_BY(mutex_);
  bool spares_the_disk_ AC_GUARDED_BY(mutex_) = false;
  bool refuses_direct_ AC_GUARDED_BY(mutex_) = false;
  std::map<FileCall, base::Job> before_ AC_GUARDED_BY(mutex_);
  std::optional<base::DiskSpace> space_ AC_GUARDED_BY(mutex_);
  std::string own_disk_ AC_GUARDED_BY(mutex_);  ///< a folder; empty: none
  std::array<std::size_t, kFileCalls> counts_ AC_GUARDED_BY(mutex_){};
  std::uint64_t written_bytes_ AC_GUARDED_BY(mutex_) = 0;
};

}  // namespace arenacache::test
