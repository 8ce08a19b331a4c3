// SPDX-License-Identifier: Apache-2.0
#include "packed_files.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/store/ids.h"
#include "chunk_table.h"
#include "durable_directory.h"
#include "manifest.h"
#include "packed_names.h"
#include "raw_names.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

std::string folder_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

std::unexpected<base::Error> untrusted(const std::string& path, const std::string& why) {
  return base::fail(ErrorKind::corrupt, EIO, base::text("cannot trust ", path, ": ", why));
}

}  // namespace

base::Result<Manifest> PackedFiles::read_manifest(ObjectId id) {
  const std::string path = paths_.manifest(id);
  auto fd = io_.open(path, O_RDONLY, 0);
  if (!fd && fd.error().errno_value == ENOENT) return untrusted(path, "it is gone");
  if (!fd) return std::unexpected(std::move(fd).error());
  AC_ASSIGN(const base::FileStat stat, io_.stat_fd(fd->get()));
  if (stat.is_directory || stat.size_bytes > kMaxManifestBytes) return untrusted(path, "it is no manifest");
  std::vector<std::byte> bytes(stat.size_bytes);
  AC_ASSIGN(const std::size_t got, io_.read_at(fd->get(), bytes, 0));
  bytes.resize(got);
  auto manifest = decode_manifest(bytes);
  if (!manifest) return untrusted(path, manifest.error().what);
  if (manifest->id != id) return untrusted(path, "it is another object's");
  return manifest;
}

base::Result<std::uint64_t> PackedFiles::write_manifest(const Manifest& manifest) {
  const std::vector<std::byte> bytes = encode_manifest(manifest);
  const std::string path = paths_.manifest(manifest.id);
  if (bytes.size() > kMaxManifestBytes) {
    return base::fail(ErrorKind::store, EFBIG, base::text("cannot write the manifest ", path, ": too large"));
  }
  AC_ASSIGN(const Temporary temporary, create_temporary(path));
  const int fd = temporary.fd.get();
  auto done = io_.write_at(fd, bytes, 0);
  if (done) done = io_.sync_data(fd);
  base::Result<base::FileStat> stat = base::FileStat{};
  if (done) stat = io_.stat_fd(fd);
  if (!stat) done = std::unexpected(stat.error());
  if (done) done = io_.rename(temporary.path, path);
  if (!done) static_cast<void>(io_.unlink(temporary.path));
  end_temporary(temporary.number);
  if (done) done = io_.sync_directory(folder_of(path));
  if (done) done = io_.sync_directory(paths_.objects());
  if (!done) return std::unexpected(std::move(done).error());
  return stat->allocated_bytes;
}

base::Result<void> PackedFiles::delete_manifest(ObjectId id) {
  AC_TRY(unlink_if_there(paths_.manifest(id)));
  auto synced = io_.sync_directory(paths_.object_folder(fan_out_of(id)));
  if (!synced && synced.error().errno_value == ENOENT) return {};
  return synced;
}

void PackedFiles::delete_chunks(ChunkTable& table, const std::vector<Chunk*>& unneeded) {
  for (Chunk* chunk : unneeded) {
    while (chunk != nullptr) {
      // What cannot be deleted stays known as needed by nobody, until the next collection of orphans.
      const bool is_done = unlink_if_there(paths_.chunk(chunk->first)).has_value();
      chunk = table.deleted(chunk, is_done);
    }
  }
}

base::Result<std::vector<unsigned>> PackedFiles::fan_out_folders(const std::string& directory) {
  AC_ASSIGN(const std::vector<std::string> names, names_in(directory));
  std::vector<unsigned> folders;
  for (const std::string& name : names) {
    if (const auto folder = parse_fan_out_name(name)) folders.push_back(*folder);
  }
  std::ranges::sort(folders);
  return folders;
}

base::Result<std::vector<std::string>> PackedFiles::names_in(const std::string& folder) {
  auto names = io_.list(folder);
  if (!names && names.error().errno_value == ENOENT) return std::vector<std::string>();
  return names;
}

base::Result<void> PackedFiles::unlink_if_there(const std::string& path) {
  auto done = io_.unlink(path);
  if (!done && done.error().errno_value == ENOENT) return {};
  return done;
}

base::Result<PackedFiles::Temporary> PackedFiles::create_temporary(const std::string& path) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_TRUNC;
  Temporary out;
  {
    base::MutexLock lock(mutex_);
    out.number = next_temporary_++;
    temporaries_.insert(out.number);
  }
  out.path = temporary_path(path, out.number);
  auto fd = io_.open(out.path, kFlags, kFileMode);
  if (!fd && fd.error().errno_value == ENOENT) {
    if (auto made = make_folder_of(path); !made) {
      fd = std::unexpected(std::move(made).error());
    } else {
      fd = io_.open(out.path, kFlags, kFileMode);
    }
  }
  if (!fd) {
    end_temporary(out.number);
    return std::unexpected(std::move(fd).error());
  }
  out.fd = std::move(*fd);
  return out;
}

void PackedFiles::end_temporary(std::uint64_t number) {
  base::MutexLock lock(mutex_);
  temporaries_.erase(number);
}

bool PackedFiles::is_in_use(std::uint64_t temporary) const {
  base::MutexLock lock(mutex_);
  return temporaries_.contains(temporary);
}

/// A fan-out folder is made with its first file; the ones above only when they were deleted under a running daemon.
base::Result<void> PackedFiles::make_folder_of(const std::string& path) {
  const std::string folder = folder_of(path);
  AC_TRY(make_durable_directory(io_, folder_of(folder)));
  return make_durable_directory(io_, folder);
}

std::uint32_t disk_bytes_of(const base::FileStat& stat) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(stat.allocated_bytes, kMaxDiskBytes));
}

}  // namespace arenacache::store
