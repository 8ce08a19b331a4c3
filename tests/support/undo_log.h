// SPDX-License-Identifier: Apache-2.0
// UndoLog: what a power cut would take back. Records each change of data and of names, forgets those that were synced, and
// undoes the rest. The model is the strictest that POSIX allows: a name lives only once its directory was synced, bytes and
// sizes only once their file was, and nothing reaches the disk by itself.
// Threads: one at a time (FaultyFileIo holds its lock). Limits: paths must be spelt alike in every call.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/unique_fd.h"
#include "support/temp_dir.h"

namespace arenacache::test {

class UndoLog {
 public:
  /// Call before the change: keeps the bytes that a write of `length` at `offset`, or a new size, is about to replace.
  void before_write(int fd, std::uint64_t offset, std::uint64_t length);
  void before_truncate(int fd, std::uint64_t new_size);
  /// The same for a path that open(O_TRUNC) is about to empty.
  void before_truncate(const std::string& path);
  /// Call before: keeps the file, which loses this name.
  void before_unlink(const std::string& path);
  void before_rename(const std::string& from, const std::string& to);
  /// Call after: the name is new.
  void after_create(const std::string& path);

  void synced(int fd);
  void synced_directory(const std::string& path);

  /// Undoes all that was not synced, newest first, and forgets it.
  void lose();
  /// The same, but of each file, and of all names together, some first part of the changes stays.
  void lose_some(std::mt19937_64& random);

 private:
  using FileKey = std::pair<dev_t, ino_t>;
  struct DataChange {
    std::uint64_t offset;
    std::vector<std::byte> old_bytes;
    std::uint64_t old_size;
  };
  struct File {
    base::UniqueFd fd;  ///< our own: the user's may be gone, or write-only
    std::vector<DataChange> changes;
  };
  enum class NameChangeKind : std::uint8_t { created, unlinked, renamed };
  struct NameChange {
    NameChangeKind kind;
    std::string path;
    std::string renamed_from;
    std::string kept;  ///< a hard link to what the name was before; empty: nothing
  };

  void keep(int fd, std::uint64_t offset, std::uint64_t length);
  [[nodiscard]] std::string keep_name(const std::string& path);
  static void undo(const File& file);
  static void undo(const NameChange& change);

  TempDir graveyard_;
  std::uint64_t graves_ = 0;
  std::map<FileKey, File> files_;
  std::vector<NameChange> names_;
};

}  // namespace arenacache::test
