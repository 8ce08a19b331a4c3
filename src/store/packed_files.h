// SPDX-License-Identifier: Apache-2.0
// PackedFiles: what a packed tier does with its files, one step at a time; ChunkTable and PackedObjects say who may.
// Promises: manifests are written to a temporary name, synced, renamed, and their folder synced. Threads: any. Locks: one for the
// numbers of temporary names, never held across I/O.
#pragma once

#include <cerrno>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/store/ids.h"
#include "chunk_table.h"
#include "manifest.h"
#include "packed_names.h"

namespace arenacache::store {

/// Errors that speak of the file itself. Others (no memory, too many open files) say nothing of it and must delete nothing.
[[nodiscard]] inline bool is_unusable(const base::Error& error) {
  return error.kind == base::ErrorKind::corrupt || error.errno_value == EIO;
}

class PackedFiles {
 public:
  PackedFiles(base::FileIo& io, PackedPaths paths) : io_(io), paths_(std::move(paths)) {}

  [[nodiscard]] base::FileIo& io() { return io_; }
  [[nodiscard]] const PackedPaths& paths() const { return paths_; }

  /// corrupt: gone, or damaged.
  base::Result<Manifest> read_manifest(ObjectId id);
  /// @return what the disk gave for it. An error leaves what was there, or the new one.
  base::Result<std::uint64_t> write_manifest(const Manifest& manifest);
  /// Durably. One that is not there is fine.
  base::Result<void> delete_manifest(ObjectId id);
  /// Deletes the files of chunks that nobody needs, and of bases that nobody needs then. @param unneeded busy, as from the table.
  void delete_chunks(ChunkTable& table, const std::vector<Chunk*>& unneeded);
  /// Those of the 256 folders in `directory` that are there. A directory that is missing has none.
  base::Result<std::vector<unsigned>> fan_out_folders(const std::string& directory);
  /// Names in a folder; a folder that is missing is empty.
  base::Result<std::vector<std::string>> names_in(const std::string& folder);
  /// One that is not there is fine.
  base::Result<void> unlink_if_there(const std::string& path);

  struct Temporary {
    base::UniqueFd fd;
    std::string path;
    std::uint64_t number = 0;
  };
  /// Makes a file under a temporary name of `path`, in its folder, which is made where it is missing.
  base::Result<Temporary> create_temporary(const std::string& path);
  /// The file has its own name now, or is deleted.
  void end_temporary(std::uint64_t number);
  [[nodiscard]] bool is_in_use(std::uint64_t temporary) const;

 private:
  base::Result<void> make_folder_of(const std::string& path);

  base::FileIo& io_;
  const PackedPaths paths_;
  mutable base::Mutex mutex_;
  std::uint64_t next_temporary_ AC_GUARDED_BY(mutex_) = 0;
  std::set<std::uint64_t> temporaries_ AC_GUARDED_BY(mutex_);  ///< that this process is writing
};

/// What a file takes on the disk, as manifests have it.
[[nodiscard]] std::uint32_t disk_bytes_of(const base::FileStat& stat);

}  // namespace arenacache::store
