// SPDX-License-Identifier: Apache-2.0
#include "support/sqlite_file_io.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::test {

namespace {

constexpr int kSectorBytes = 4096;
constexpr int kMaxPathBytes = 1024;
constexpr unsigned kFileMode = 0600;

/// One open file. SQLite allocates it and knows only its first member.
struct OpenFile {
  sqlite3_file base;
  base::FileIo* io;
  base::UniqueFd fd;
  std::string path;
  bool must_sync_directory;  ///< it is new, and its name must last when it is first synced
};

OpenFile& file_of(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }

base::FileIo& io_of(sqlite3_vfs* vfs) { return *static_cast<base::FileIo*>(vfs->pAppData); }

sqlite3_vfs* unix_vfs() { return sqlite3_vfs_find("unix"); }

int code_of(const base::Error& error, int otherwise) {
  return error.kind == base::ErrorKind::no_space ? SQLITE_FULL : otherwise;
}

std::string directory_of(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

int close_file(sqlite3_file* file) {
  std::destroy_at(&file_of(file));
  return SQLITE_OK;
}

int read_file(sqlite3_file* file, void* out, int count, sqlite3_int64 offset) {
  OpenFile& open = file_of(file);
  const std::span bytes(static_cast<std::byte*>(out), static_cast<std::size_t>(count));
  const auto got = open.io->read_at(open.fd.get(), bytes, static_cast<std::uint64_t>(offset));
  if (!got) return SQLITE_IOERR_READ;
  if (*got == bytes.size()) return SQLITE_OK;
  std::ranges::fill(bytes.subspan(*got), std::byte{0});
  return SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* file, const void* data, int count, sqlite3_int64 offset) {
  OpenFile& open = file_of(file);
  const std::span bytes(static_cast<const std::byte*>(data), static_cast<std::size_t>(count));
  const auto done = open.io->write_at(open.fd.get(), bytes, static_cast<std::uint64_t>(offset));
  return done ? SQLITE_OK : code_of(done.error(), SQLITE_IOERR_WRITE);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  OpenFile& open = file_of(file);
  const auto done = open.io->truncate(open.fd.get(), static_cast<std::uint64_t>(size));
  return done ? SQLITE_OK : code_of(done.error(), SQLITE_IOERR_TRUNCATE);
}

int sync_file(sqlite3_file* file, int /*flags*/) {
  OpenFile& open = file_of(file);
  if (!open.io->sync_data(open.fd.get())) return SQLITE_IOERR_FSYNC;
  if (!open.must_sync_directory) return SQLITE_OK;
  if (!open.io->sync_directory(directory_of(open.path))) return SQLITE_IOERR_DIR_FSYNC;
  open.must_sync_directory = false;
  return SQLITE_OK;
}

int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  OpenFile& open = file_of(file);
  const auto stat = open.io->stat_fd(open.fd.get());
  if (!stat) return SQLITE_IOERR_FSTAT;
  *size = static_cast<sqlite3_int64>(stat->size_bytes);
  return SQLITE_OK;
}

const sqlite3_io_methods* file_methods() {
  static const sqlite3_io_methods methods = [] {
    sqlite3_io_methods all = {};
    all.iVersion = 1;
    all.xClose = close_file;
    all.xRead = read_file;
    all.xWrite = write_file;
    all.xTruncate = truncate_file;
    all.xSync = sync_file;
    all.xFileSize = size_of_file;
    all.xLock = [](sqlite3_file*, int) { return SQLITE_OK; };
    all.xUnlock = [](sqlite3_file*, int) { return SQLITE_OK; };
    all.xCheckReservedLock = [](sqlite3_file*, int* is_held) {
      *is_held = 0;
      return SQLITE_OK;
    };
    all.xFileControl = [](sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; };
    all.xSectorSize = [](sqlite3_file*) { return kSectorBytes; };
    all.xDeviceCharacteristics = [](sqlite3_file*) { return 0; };
    return all;
  }();
  return &methods;
}

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  if (name == nullptr) return SQLITE_CANTOPEN;  // a temporary file: the index keeps those in memory
  base::FileIo& io = io_of(vfs);
  const bool may_create = (flags & SQLITE_OPEN_CREATE) != 0;
  const bool is_new = may_create && ::access(name, F_OK) != 0;
  const int access = (flags & SQLITE_OPEN_READWRITE) != 0 ? O_RDWR : O_RDONLY;
  auto fd = io.open(name, access | (may_create ? O_CREAT : 0), kFileMode);
  if (!fd) return code_of(fd.error(), SQLITE_CANTOPEN);
  const bool is_journal = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
  new (file) OpenFile{.base = {.pMethods = file_methods()},
                      .io = &io,
                      .fd = std::move(*fd),
                      .path = name,
                      .must_sync_directory = is_new && is_journal};
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* name, int must_sync_directory) {
  base::FileIo& io = io_of(vfs);
  const auto done = io.unlink(name);
  if (!done && done.error().errno_value == ENOENT) return SQLITE_IOERR_DELETE_NOENT;
  if (!done) return SQLITE_IOERR_DELETE;
  if (must_sync_directory == 0) return SQLITE_OK;
  return io.sync_directory(directory_of(name)) ? SQLITE_OK : SQLITE_IOERR_DIR_FSYNC;
}

int look_at_file(sqlite3_vfs* vfs, const char* name, int /*flags*/, int* is_there) {
  const auto stat = io_of(vfs).stat(name);
  if (!stat && stat.error().errno_value != ENOENT) return SQLITE_IOERR_ACCESS;
  *is_there = stat && stat->size_bytes > 0 ? 1 : 0;
  return SQLITE_OK;
}

}  // namespace

struct SqliteFileIo::Vfs {
  sqlite3_vfs vfs = {};
};

SqliteFileIo::SqliteFileIo(base::FileIo& io) : vfs_(std::make_unique<Vfs>()) {
  AC_CHECK(sqlite3_initialize() == SQLITE_OK);
  sqlite3_vfs& vfs = vfs_->vfs;
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(OpenFile);
  vfs.mxPathname = kMaxPathBytes;
  vfs.zName = "arenacache-file-io";
  vfs.pAppData = &io;
  vfs.xOpen = open_file;
  vfs.xDelete = delete_file;
  vfs.xAccess = look_at_file;
  vfs.xFullPathname = [](sqlite3_vfs*, const char* name, int size, char* out) {
    return unix_vfs()->xFullPathname(unix_vfs(), name, size, out);
  };
  vfs.xRandomness = [](sqlite3_vfs*, int count, char* out) { return unix_vfs()->xRandomness(unix_vfs(), count, out); };
  vfs.xSleep = [](sqlite3_vfs*, int microseconds) { return unix_vfs()->xSleep(unix_vfs(), microseconds); };
  vfs.xCurrentTime = [](sqlite3_vfs*, double* now) { return unix_vfs()->xCurrentTime(unix_vfs(), now); };
  vfs.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
  vfs.xCurrentTimeInt64 = [](sqlite3_vfs*, sqlite3_int64* now) {
    return unix_vfs()->xCurrentTimeInt64(unix_vfs(), now);
  };
  AC_CHECK(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}

SqliteFileIo::~SqliteFileIo() {
  sqlite3_vfs_unregister(&vfs_->vfs);
  sqlite3_vfs_register(unix_vfs(), 1);
}

}  // namespace arenacache::test
