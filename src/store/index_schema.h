// SPDX-License-Identifier: Apache-2.0
// The index's schema, its version, and how a file that is no good is set aside. docs/on-disk.md explains the tables.
// Threads: the caller's. Never: touches a file of a newer format.
#pragma once

#include <cstdint>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/store/index.h"
#include "index_tables.h"
#include "sqlite_db.h"

namespace arenacache::store {

/// The table `meta`, as the last life left it; zeros in a new file.
struct IndexMeta {
  std::uint64_t next_id = 0;
  std::uint64_t boot = 0;
  bool is_clean = false;
  bool must_rebuild = false;
};

struct IndexFile {
  Database database;
  IndexTables tables;
  IndexMeta meta;
  IndexContents contents;         ///< rows, pins, counters, was_reset; the rest is the caller's
  bool is_new = false;            ///< there was no file
  std::uint64_t min_next_id = 0;  ///< ids below it may have been given, by what is left of a life whose index is lost
};

/// Opens or makes the index, ready for use, and reads it. was_reset also when the file is missing and raw/ beside it has
/// objects. A corrupt file, one of another format or of another program becomes
/// `index.db.corrupt-N`; a newer format is ErrorKind::invalid with a sentence.
base::Result<IndexFile> open_index_file(const std::string& path);

/// Sets the file aside, for the reason that goes to the log, and begins anew.
base::Result<IndexFile> reset_index_file(const std::string& path, const base::Error& why);

/// Bytes of the database and its write-ahead log.
[[nodiscard]] std::uint64_t index_file_bytes(const std::string& path);

}  // namespace arenacache::store
