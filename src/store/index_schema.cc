// SPDX-License-Identifier: Apache-2.0
#include "index_schema.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/log.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "durable_directory.h"
#include "index_tables.h"
#include "raw_names.h"
#include "sqlite_db.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;
using base::text;

constexpr std::size_t kSchemaVersion = 4;
constexpr std::uint64_t kKeptCorruptFiles = 2;

// One process only: an exclusive lock needs no shared-memory file, whose mapping a full disk would turn into SIGBUS.
// FULL: a commit is durable when it returns. Names are blobs, as a file name may be any bytes.
constexpr const char* kSettings = R"(
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA temp_store = MEMORY;
  PRAGMA cache_size = -4096;
  PRAGMA journal_size_limit = 4194304;
)";

// application_id is "arca".
constexpr std::int64_t kApplicationId = 0x61726361;
constexpr const char* kSchema = R"(
  BEGIN IMMEDIATE;
  PRAGMA application_id = 1634886497;
  PRAGMA user_version = 1;
  CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE paths(
    id INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    name BLOB NOT NULL,
    UNIQUE(parent, name));
  CREATE TABLE objects(
    id INTEGER PRIMARY KEY,
    path INTEGER NOT NULL,
    file_system_id INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    allocated_bytes INTEGER NOT NULL,
    last_use_ns INTEGER NOT NULL,
    uses INTEGER NOT NULL);
  CREATE INDEX objects_by_path ON objects(path);
  CREATE TABLE pins(path INTEGER PRIMARY KEY);
  CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  COMMIT;
)";

/// What makes a file of one version one of the next; a new file goes through all of them. The first is of version 1.
constexpr std::array kUpgrades = {
    R"(
  BEGIN IMMEDIATE;
  PRAGMA user_version = 2;
  CREATE TABLE listings(
    id INTEGER PRIMARY KEY,
    source BLOB NOT NULL,
    path BLOB NOT NULL,
    validated_ns INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE(source, path));
  COMMIT;
)",
    R"(
  BEGIN IMMEDIATE;
  PRAGMA user_version = 3;
  ALTER TABLE objects ADD COLUMN read_percent INTEGER NOT NULL DEFAULT 100;
  COMMIT;
)",
    R"(
  BEGIN IMMEDIATE;
  PRAGMA user_version = 4;
  ALTER TABLE objects ADD COLUMN packed_tier TEXT NOT NULL DEFAULT '';
  ALTER TABLE objects ADD COLUMN packed_id INTEGER NOT NULL DEFAULT 0;
  COMMIT;
)",
};
static_assert(kUpgrades.size() + 1 == kSchemaVersion);

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::uint64_t file_bytes(const std::string& path) {
  struct stat raw = {};
  return ::stat(path.c_str(), &raw) == 0 ? static_cast<std::uint64_t>(raw.st_size) : 0;
}

/// SQLite would make the file readable for all; its log takes the database's mode over.
base::Result<void> make_private_file(const std::string& path) {
  base::PosixFileIo io;
  AC_ASSIGN(base::UniqueFd fd, io.open(path, O_RDWR | O_CREAT, kFileMode));
  return fd.close();
}

base::Result<void> upgrade(Database& database, std::size_t version) {
  for (; version < kSchemaVersion; ++version) AC_TRY(database.execute(kUpgrades.at(version - 1)));
  return {};
}

base::Result<void> check_version(Database& database, const std::string& path) {
  AC_ASSIGN(const std::int64_t application, database.query_number("PRAGMA application_id"));
  AC_ASSIGN(const std::int64_t version, database.query_number("PRAGMA user_version"));
  AC_ASSIGN(const std::int64_t tables, database.query_number("SELECT count(*) FROM sqlite_master"));
  if (application == 0 && version == 0 && tables == 0) {
    AC_TRY(database.execute(kSchema));
    return upgrade(database, 1);
  }
  if (application != kApplicationId)
    return base::fail(ErrorKind::corrupt, 0, text(path, " is another program's database"));
  if (version > static_cast<std::int64_t>(kSchemaVersion)) {
    return base::fail(
        ErrorKind::invalid, EINVAL,
        text("cannot use the index ", path, ": it is of format ", version, ", and this arenacached knows up to ",
             kSchemaVersion, "; run a newer arenacached, or delete it (its rows are rebuilt)"));
  }
  if (version < 1) return base::fail(ErrorKind::corrupt, 0, text(path, " is of the unknown format ", version));
  if (version < static_cast<std::int64_t>(kSchemaVersion))
    base::log_info(text("the index is taken from format ", version, " to ", kSchemaVersion));
  return upgrade(database, static_cast<std::size_t>(version));
}

/// After a crash the whole file is looked through; after a clean end what is read anyway says enough.
base::Result<void> check_content(Database& database, const std::string& path) {
  AC_ASSIGN(const std::int64_t is_clean, database.query_number("SELECT value FROM meta WHERE key = 'clean'"));
  if (is_clean != 0) return {};
  AC_ASSIGN(const std::string verdict, database.query_text("PRAGMA quick_check(1)"));
  if (verdict == "ok") return {};
  return base::fail(ErrorKind::corrupt, 0, text(path, " is damaged: ", verdict));
}

base::Result<IndexMeta> read_meta(IndexTables& tables) {
  AC_ASSIGN(const std::uint64_t next_id, tables.get_meta(kMetaNextId));
  AC_ASSIGN(const std::uint64_t boot, tables.get_meta(kMetaBoot));
  AC_ASSIGN(const std::uint64_t clean, tables.get_meta(kMetaClean));
  AC_ASSIGN(const std::uint64_t rebuild, tables.get_meta(kMetaRebuild));
  if (next_id > kMaxObjectNumber)
    return base::fail(ErrorKind::corrupt, 0, "the index has given ids that no store gives");
  return IndexMeta{.next_id = next_id, .boot = boot, .is_clean = clean != 0, .must_rebuild = rebuild != 0};
}

base::Result<IndexFile> open_checked(const std::string& path) {
  AC_TRY(make_private_file(path));
  AC_ASSIGN(Database database, Database::open(path));
  AC_TRY(database.execute(kSettings));
  AC_TRY(check_version(database, path));
  AC_TRY(check_content(database, path));
  AC_ASSIGN(IndexTables tables, IndexTables::open(database));
  AC_ASSIGN(IndexContents contents, load_index(database));
  AC_ASSIGN(const IndexMeta meta, read_meta(tables));
  return IndexFile{
      .database = std::move(database), .tables = std::move(tables), .meta = meta, .contents = std::move(contents)};
}

/// The N of every `index.db.corrupt-N`, in order.
std::vector<std::uint64_t> list_corrupt(const std::string& path) {
  const auto slash = path.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string prefix = (slash == std::string::npos ? path : path.substr(slash + 1)) + ".corrupt-";
  base::PosixFileIo io;
  std::vector<std::uint64_t> numbers;
  const auto names = io.list(folder);
  if (!names) return numbers;
  for (const std::string& name : *names) {
    if (!name.starts_with(prefix)) continue;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size()) numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

/// Renames the file and its log out of the way; keeps the last two such files, for whoever wants to know.
base::Result<void> set_aside(const std::string& path) {
  const std::vector<std::uint64_t> earlier = list_corrupt(path);
  const std::uint64_t number = earlier.empty() ? 1 : earlier.back() + 1;
  const std::string target = text(path, ".corrupt-", number);
  base::PosixFileIo io;
  AC_TRY(io.rename(path, target));  // first: a database without its log would look whole, and be old
  if (exists(path + "-wal")) AC_TRY(io.rename(path + "-wal", target + "-wal"));
  static_cast<void>(io.unlink(path + "-shm"));
  for (const std::uint64_t old : earlier) {
    if (old + kKeptCorruptFiles > number) continue;
    static_cast<void>(io.unlink(text(path, ".corrupt-", old)));
    static_cast<void>(io.unlink(text(path, ".corrupt-", old, "-wal")));
  }
  return {};
}

/// One more than the highest id in raw/ beside the index; 0 when it holds no object.
std::uint64_t id_after_objects(const std::string& index_path) {
  const std::string raw = index_path.substr(0, index_path.find_last_of('/') + 1) + "raw/";
  base::PosixFileIo io;
  std::uint64_t next = 0;
  for (unsigned folder = 0; folder < kFanOut; ++folder) {
    const auto names = io.list(raw + fan_out_name(folder));
    if (!names) continue;
    for (const std::string& name : *names) {
      if (const auto parsed = parse_raw_name(name)) next = std::max(next, to_number(parsed->id) + 1);
    }
  }
  return next;
}

/// Each reset gives ids a range of their own, as what the lost index had given to objects now gone is not known.
std::uint64_t id_after_resets(const std::string& path) {
  constexpr unsigned kIdBitsOfOneLife = 48;
  const std::vector<std::uint64_t> corrupt = list_corrupt(path);
  return corrupt.empty() ? 0 : std::min(corrupt.back() << kIdBitsOfOneLife, kMaxObjectNumber);
}

/// For an index that begins anew: are there objects whose rows are lost?
IndexFile with_lost_rows(const std::string& path, IndexFile file) {
  const std::uint64_t after_objects = id_after_objects(path);
  file.min_next_id = std::max(file.min_next_id, after_objects);
  file.contents.was_reset = after_objects != 0;
  return file;
}

}  // namespace

base::Result<IndexFile> open_index_file(const std::string& path) {
  const bool is_new = !exists(path);
  if (is_new) {
    base::PosixFileIo io;
    static_cast<void>(io.unlink(path + "-wal"));  // the log of a file that is gone
  }
  auto file = open_checked(path);
  if (!file && file.error().kind == ErrorKind::corrupt) return reset_index_file(path, file.error());
  if (!file) return file;
  file->is_new = is_new;
  file->min_next_id = id_after_resets(path);
  if (is_new) return with_lost_rows(path, std::move(*file));
  return file;
}

base::Result<IndexFile> reset_index_file(const std::string& path, const base::Error& why) {
  base::log_warn(text(why.what, "; the index is set aside and made anew"));
  AC_TRY(set_aside(path));
  AC_ASSIGN(IndexFile file, open_checked(path));
  file.min_next_id = id_after_resets(path);
  file = with_lost_rows(path, std::move(file));
  file.contents.was_reset = true;
  return file;
}

std::uint64_t index_file_bytes(const std::string& path) { return file_bytes(path) + file_bytes(path + "-wal"); }

}  // namespace arenacache::store
