// SPDX-License-Identifier: Apache-2.0
// SqliteFileIo: while it lives, SQLite's files go through a FileIo too, so that a fault, a torn write or a power cut meets the index
// as it meets everything else of the store.
// Promises: one connection to a file at a time, in exclusive mode (no locks, no shared memory), which is how the index works.
// Threads: made and ended while no database is open; else any that the FileIo allows. One at a time in a process.
#pragma once

#include <memory>

#include "arenacache/base/file_io.h"

namespace arenacache::test {

class SqliteFileIo {
 public:
  explicit SqliteFileIo(base::FileIo& io);
  ~SqliteFileIo();
  SqliteFileIo(const SqliteFileIo&) = delete;
  SqliteFileIo& operator=(const SqliteFileIo&) = delete;

 private:
  struct Vfs;
  std::unique_ptr<Vfs> vfs_;
};

}  // namespace arenacache::test
