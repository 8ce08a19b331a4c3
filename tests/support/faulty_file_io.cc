// SPDX-License-Identifier: Apache-2.0
#include "support/faulty_file_io.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/executor.h"
#include "arenacache/base/file_io.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::test {

namespace {

std::unexpected<base::Error> injected(int errno_value, std::string_view what) {
  const bool is_full = errno_value == ENOSPC || errno_value == EDQUOT;
  return base::fail_errno(is_full ? base::ErrorKind::no_space : base::ErrorKind::store, errno_value,
                          base::text("injected fault: cannot ", what));
}

}  // namespace

void FaultyFileIo::add(Fault fault) {
  AC_CHECK(fault.at > 0);
  base::MutexLock lock(mutex_);
  faults_.push_back(fault);
}

void FaultyFileIo::fail_nth(std::size_t n, int errno_value) {
  add({.call = {}, .at = n, .errno_value = errno_value, .torn_bytes = {}});
}

void FaultyFileIo::fail_nth(FileCall call, std::size_t n, int errno_value) {
  add({.call = call, .at = n, .errno_value = errno_value, .torn_bytes = {}});
}

void FaultyFileIo::fail_from(std::size_t n, int errno_value) {
  add({.call = {}, .at = n, .errno_value = errno_value, .is_forever = true, .torn_bytes = {}});
}

void FaultyFileIo::fail_from(FileCall call, std::size_t n, int errno_value) {
  add({.call = call, .at = n, .errno_value = errno_value, .is_forever = true, .torn_bytes = {}});
}

void FaultyFileIo::tear_nth_write(std::size_t n, std::size_t bytes, int errno_value) {
  add({.call = FileCall::write_at, .at = n, .errno_value = errno_value, .torn_bytes = bytes});
}

void FaultyFileIo::pretend_space(base::DiskSpace space) {
  base::MutexLock lock(mutex_);
  space_ = space;
}

void FaultyFileIo::pretend_own_disk(const std::string& folder) {
  base::MutexLock lock(mutex_);
  own_disk_ = folder;
}

void FaultyFileIo::heal() {
  base::MutexLock lock(mutex_);
  faults_.clear();
  space_.reset();
}

void FaultyFileIo::lose_unsynced() {
  base::MutexLock lock(mutex_);
  undo_.lose();
}

void FaultyFileIo::lose_some_unsynced(std::mt19937_64& random) {
  base::MutexLock lock(mutex_);
  undo_.lose_some(random);
}

void FaultyFileIo::spare_the_disk() {
  base::MutexLock lock(mutex_);
  spares_the_disk_ = true;
}

void FaultyFileIo::before_next(FileCall call, base::Job job) {
  base::MutexLock lock(mutex_);
  before_[call] = std::move(job);
}

void FaultyFileIo::run_before(FileCall call, base::MutexLock& lock) {
  auto found = before_.extract(call);
  if (!found) return;
  lock.unlock();
  found.mapped()();
  lock.lock();
}

void FaultyFileIo::refuse_direct() {
  base::MutexLock lock(mutex_);
  refuses_direct_ = true;
}

std::size_t FaultyFileIo::count() const {
  base::MutexLock lock(mutex_);
  return std::accumulate(counts_.begin(), counts_.end(), std::size_t{0});
}

std::size_t FaultyFileIo::count(FileCall call) const {
  base::MutexLock lock(mutex_);
  return counts_.at(static_cast<std::size_t>(call));
}

std::uint64_t FaultyFileIo::written_bytes() const {
  base::MutexLock lock(mutex_);
  return written_bytes_;
}

FaultyFileIo::Verdict FaultyFileIo::judge(FileCall call) {
  ++counts_.at(static_cast<std::size_t>(call));
  Verdict verdict;
  for (Fault& fault : faults_) {
    if ((fault.call && *fault.call != call) || fault.at == 0) continue;
    if (fault.at > 1) {
      --fault.at;
      continue;
    }
    if (!fault.is_forever) fault.at = 0;
    if (verdict.errno_value == 0)
      verdict = {.errno_value = fault.errno_value, .torn_bytes = fault.torn_bytes.value_or(0)};
  }
  return verdict;
}

base::Result<void> FaultyFileIo::enter(FileCall call, std::string_view what) {
  const Verdict verdict = judge(call);
  if (verdict.errno_value != 0) return injected(verdict.errno_value, what);
  return {};
}

base::Result<base::UniqueFd> FaultyFileIo::open(const std::string& path, int flags, unsigned mode) {
  base::MutexLock lock(mutex_);
  AC_TRY(enter(FileCall::open, base::text("open ", path)));
  if (refuses_direct_ && (flags & O_DIRECT) != 0) {
    return base::fail_errno(base::ErrorKind::store, EINVAL, base::text("cannot open ", path));
  }
  const bool existed = (flags & O_CREAT) == 0 || real_.stat(path).has_value();
  if ((flags & O_TRUNC) != 0 && existed) undo_.before_truncate(path);
  AC_ASSIGN(base::UniqueFd fd, real_.open(path, flags, mode));
  if (!existed) undo_.after_create(path);
  return fd;
}

base::Result<std::size_t> FaultyFileIo::read_at(int fd, std::span<std::byte> out, std::uint64_t offset) {
  {
    base::MutexLock lock(mutex_);
    AC_TRY(enter(FileCall::read_at, "read"));
  }
  return real_.read_at(fd, out, offset);
}

base::Result<void> FaultyFileIo::write_at(int fd, std::span<const std::byte> data, std::uint64_t offset) {
  base::MutexLock lock(mutex_);
  run_before(FileCall::write_at, lock);
  const Verdict verdict = judge(FileCall::write_at);
  const auto part = verdict.errno_value == 0 ? data : data.first(std::min(verdict.torn_bytes, data.size()));
  if (verdict.errno_value == 0 || !part.empty()) {
    undo_.before_write(fd, offset, part.size());
    AC_TRY(real_.write_at(fd, part, offset));
    written_bytes_ += part.size();
  }
  if (verdict.errno_value != 0) return injected(verdict.errno_value, base::text("write ", data.size(), " bytes"));
  return {};
}

base::Result<void> FaultyFileIo::allocate(int fd, std::uint64_t offset, std::uint64_t length) {
  base::MutexLock lock(mutex_);
  AC_TRY(enter(FileCall::allocate, base::text("reserve ", length, " bytes")));
  return real_.allocate(fd, offset, length);
}

base::Result<void> FaultyFileIo::truncate(int fd, std::uint64_t size) {
  base::MutexLock lock(mutex_);
  AC_TRY(enter(FileCall::truncate, "truncate"));
  undo_.before_truncate(fd, size);
  return real_.truncate(fd, size);
}

base::Result<void> FaultyFileIo::sync_data(int fd) {
  base::MutexLock lock(mutex_);
  AC_TRY(enter(FileCall::sync_data, "sync a file"));
  if (!spares_the_disk_) AC_TRY(real_.sync_data(fd));
  undo_.synced(fd);
  return {};
}

base::Result<void> FaultyFileIo::sync_directory(const std::string& path) {
  base::MutexLock lock(mutex_);
  AC_TRY(enter(FileCall::sync_directory, base::text("sync the directory ", path)));
  if (!spares_the_disk_) AC_TRY(real_.sync_directory(path));
  undo_.synced_directory(path);
  return {};
}

base::Result<void> FaultyFileIo::rename(const std::string& from, const std::string& to) {
  base::MutexLock lock(mutex_);
  AC_TRY(enter(FileCall::rename, base::text("rename ", from, " to ", to)));
  if (real_.stat(from).has_value()) undo_.before_rename(from, to);
  return real_.rename(from, to);
}

base::Result<void> FaultyFileIo::link(const std::string& from, const std::string& to) {
  base::MutexLock lock(mutex_);
  run_before(FileCall::link, lock);
  AC_TRY(enter(FileCall::link, base::text("link ", from, " to ", to)));
  AC_TRY(real_.link(from, to));
  undo_.after_create(to);
  return {};
}

base::Result<void> FaultyFileIo::unlink(const std::string& path) {
  base::MutexLock lock(mutex_);
  run_before(FileCall::unlink, lock);
  AC_TRY(enter(FileCall::unlink, base::text("unlink ", path)));
  if (real_.stat(path).has_value()) undo_.before_unlink(path);
  return real_.unlink(path);
}

base::Result<void> FaultyFileIo::make_directory(const std::string& path) {
  base::MutexLock lock(mutex_);
  AC_TRY(enter(FileCall::make_directory, base::text("make the directory ", path)));
  const bool existed = real_.stat(path).has_value();
  AC_TRY(real_.make_directory(path));
  if (!existed) undo_.after_create(path);
  return {};
}

base::Result<base::FileStat> FaultyFileIo::stat(const std::string& path) {
  bool is_on_own_disk = false;
  {
    base::MutexLock lock(mutex_);
    AC_TRY(enter(FileCall::stat, base::text("look at ", path)));
    is_on_own_disk = !own_disk_.empty() && path.starts_with(own_disk_);
  }
  auto stat = real_.stat(path);
  if (stat && is_on_own_disk) ++stat->device;
  return stat;
}

base::Result<base::FileStat> FaultyFileIo::stat_fd(int fd) {
  {
    base::MutexLock lock(mutex_);
    AC_TRY(enter(FileCall::stat, "look at a file"));
  }
  return real_.stat_fd(fd);
}

base::Result<base::DiskSpace> FaultyFileIo::disk_space(const std::string& path) {
  base::MutexLock lock(mutex_);
  AC_TRY(enter(FileCall::disk_space, base::text("ask for the free space of ", path)));
  if (space_) return *space_;
  return real_.disk_space(path);
}

base::Result<std::vector<std::string>> FaultyFileIo::list(const std::string& path) {
  base::MutexLock lock(mutex_);
  AC_TRY(enter(FileCall::list, base::text("list ", path)));
  return real_.list(path);
}

void FaultyFileIo::start_writeback(int fd, std::uint64_t offset, std::uint64_t length) {
  real_.start_writeback(fd, offset, length);
}

base::Result<void> FaultyFileIo::finish_writeback(int fd, std::uint64_t offset, std::uint64_t length) {
  {
    base::MutexLock lock(mutex_);
    AC_TRY(enter(FileCall::finish_writeback, "write pages to the disk"));
  }
  return real_.finish_writeback(fd, offset, length);
}

void FaultyFileIo::drop_cache(int fd, std::uint64_t offset, std::uint64_t length) {
  real_.drop_cache(fd, offset, length);
}

}  // namespace arenacache::test
