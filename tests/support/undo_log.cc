// SPDX-License-Identifier: Apache-2.0
#include "support/undo_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <ranges>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::test {

namespace {

struct stat stat_of(int fd) {
  struct stat raw = {};
  AC_CHECK(::fstat(fd, &raw) == 0);
  return raw;
}

std::string directory_of(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

}  // namespace

void UndoLog::before_write(int fd, std::uint64_t offset, std::uint64_t length) { keep(fd, offset, length); }

void UndoLog::before_truncate(int fd, std::uint64_t new_size) {
  const auto size = static_cast<std::uint64_t>(stat_of(fd).st_size);
  keep(fd, new_size, size > new_size ? size - new_size : 0);
}

void UndoLog::before_truncate(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (fd.is_open()) before_truncate(fd.get(), 0);
}

void UndoLog::keep(int fd, std::uint64_t offset, std::uint64_t length) {
  const struct stat raw = stat_of(fd);
  File& file = files_[{raw.st_dev, raw.st_ino}];
  if (!file.fd.is_open()) {
    file.fd = base::UniqueFd(::open(base::text("/proc/self/fd/", fd).c_str(), O_RDWR | O_CLOEXEC));
    AC_CHECK(file.fd.is_open());
  }
  const auto size = static_cast<std::uint64_t>(raw.st_size);
  DataChange change{.offset = offset, .old_bytes = {}, .old_size = size};
  if (offset < size) {
    change.old_bytes.resize(std::min(length, size - offset));
    base::PosixFileIo io;
    AC_CHECK(io.read_at(file.fd.get(), change.old_bytes, offset).has_value());
  }
  file.changes.push_back(std::move(change));
}

std::string UndoLog::keep_name(const std::string& path) {
  std::string kept = graveyard_.path(std::to_string(graves_++));
  if (::link(path.c_str(), kept.c_str()) == 0) return kept;
  AC_CHECK(errno == ENOENT);  // EXDEV: the store under test must lie where TempDir makes folders
  return {};
}

void UndoLog::before_unlink(const std::string& path) {
  names_.push_back({.kind = NameChangeKind::unlinked, .path = path, .renamed_from = {}, .kept = keep_name(path)});
}

void UndoLog::before_rename(const std::string& from, const std::string& to) {
  names_.push_back({.kind = NameChangeKind::renamed, .path = to, .renamed_from = from, .kept = keep_name(to)});
}

void UndoLog::after_create(const std::string& path) {
  names_.push_back({.kind = NameChangeKind::created, .path = path, .renamed_from = {}, .kept = {}});
}

void UndoLog::synced(int fd) {
  const struct stat raw = stat_of(fd);
  files_.erase({raw.st_dev, raw.st_ino});
}

void UndoLog::synced_directory(const std::string& path) {
  std::erase_if(names_, [&](const NameChange& change) { return directory_of(change.path) == path; });
}

void UndoLog::lose() {
  for (const auto& [key, file] : files_) undo(file);
  for (const NameChange& change : std::views::reverse(names_)) undo(change);
  files_.clear();
  names_.clear();
}

void UndoLog::lose_some(std::mt19937_64& random) {
  const auto keep_some = [&](auto& changes) {
    const auto kept = static_cast<std::ptrdiff_t>(random() % (changes.size() + 1));
    changes.erase(changes.begin(), changes.begin() + kept);
  };
  for (auto& [key, file] : files_) keep_some(file.changes);
  keep_some(names_);
  lose();
}

void UndoLog::undo(const File& file) {
  base::PosixFileIo io;
  const int fd = file.fd.get();
  for (const DataChange& change : std::views::reverse(file.changes)) {
    AC_CHECK(io.truncate(fd, change.old_size).has_value());
    const bool was_hole = std::ranges::all_of(change.old_bytes, [](std::byte old) { return old == std::byte{0}; });
    const auto length = static_cast<off_t>(change.old_bytes.size());
    if (was_hole && length > 0) {
      AC_CHECK(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(change.offset), length) ==
               0);
    } else {
      AC_CHECK(io.write_at(fd, change.old_bytes, change.offset).has_value());
    }
  }
}

void UndoLog::undo(const NameChange& change) {
  std::error_code error;
  switch (change.kind) {
    case NameChangeKind::created:
      std::filesystem::remove_all(change.path, error);
      break;
    case NameChangeKind::renamed:
      std::filesystem::rename(change.path, change.renamed_from, error);
      break;
    case NameChangeKind::unlinked:
      break;
  }
  if (!change.kept.empty()) std::filesystem::rename(change.kept, change.path, error);
}

}  // namespace arenacache::test
