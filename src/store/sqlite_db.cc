// SPDX-License-Identifier: Apache-2.0
#include "sqlite_db.h"

#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

constexpr int kPrimaryCodeMask = 0xFF;  // Source: sqlite.org/rescode.html, "Primary Result Codes versus Extended"
/// Somebody looks at the file with sqlite3(1): how often, and after how long, it is tried again.
constexpr int kLockTries = 100;
constexpr int kLockPauseMs = 20;
/// Source: sqlite.org/fileformat2.html, "The Lock-Byte Page".
constexpr off_t kLockBytesAt = 0x40000000;
constexpr off_t kLockBytes = 512;

base::Error sqlite_error(sqlite3* database, int code) {
  ErrorKind kind = ErrorKind::store;
  int errno_value = EIO;
  switch (code & kPrimaryCodeMask) {
    case SQLITE_FULL:
      kind = ErrorKind::no_space;
      errno_value = ENOSPC;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      kind = ErrorKind::corrupt;
      break;
    default:
      break;
  }
  const char* message = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  return {.kind = kind, .errno_value = errno_value, .what = base::text("cannot use the index: ", message)};
}

/// The lock that SQLite would take, as one of the descriptor's own. No other program gets in beside it.
base::Result<base::UniqueFd> take_lock(const std::string& path) {
  base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct ::flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  whole.l_start = kLockBytesAt;
  whole.l_len = kLockBytes;
  for (int tries = 0; file.is_open() && ::fcntl(file.get(), F_OFD_SETLK, &whole) != 0; ++tries) {
    if ((errno != EAGAIN && errno != EACCES) || tries == kLockTries) {
      return base::fail_errno(ErrorKind::store, errno, base::text("cannot lock ", path));
    }
    ::poll(nullptr, 0, kLockPauseMs);
  }
  if (!file.is_open()) return base::fail_errno(ErrorKind::store, errno, base::text("cannot open ", path));
  return file;
}

/// The default one, without its locks.
const char* vfs_without_locks() {
  const sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
  return vfs != nullptr && std::string_view(vfs->zName) == "unix" ? "unix-none" : nullptr;
}

}  // namespace

void Statement::bind(int slot, std::string_view value) {
  const char* data = value.data() != nullptr ? value.data() : "";  // a null pointer would be bound as NULL
  sqlite3_bind_blob64(statement_.get(), slot, data, value.size(), nullptr);
}

base::Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  sqlite3* database = sqlite3_db_handle(statement_.get());
  if (code != SQLITE_DONE) {
    auto error = sqlite_error(database, sqlite3_extended_errcode(database));
    reset();
    return std::unexpected(std::move(error));
  }
  reset();
  return false;
}

base::Result<void> Statement::run() {
  AC_ASSIGN(const bool has_row, step());
  if (has_row) reset();
  return {};
}

base::Result<std::optional<std::int64_t>> Statement::one_number() {
  AC_ASSIGN(const bool has_row, step());
  if (!has_row) return std::nullopt;
  const std::int64_t value = number(0);
  reset();
  return value;
}

std::string Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
}

base::Result<Database> Database::open(const std::string& path) {
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  AC_ASSIGN(base::UniqueFd lock, take_lock(path));
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, kFlags, vfs_without_locks());
  std::unique_ptr<sqlite3, Closer> database(raw);  // also a failed open gives one
  if (code != SQLITE_OK) {
    auto error = sqlite_error(raw, code);
    error.what += base::text(" (", path, ")");
    return std::unexpected(std::move(error));
  }
  sqlite3_extended_result_codes(raw, 1);
  return Database(base::HeldApart(std::move(lock)), std::move(database));
}

base::Result<void> Database::execute(const char* sql) {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return {};
  return std::unexpected(error(code));
}

base::Result<Statement> Database::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code == SQLITE_OK) return Statement(statement);
  auto why = error(code);
  // Our statements are right: if SQLite does not understand one, the tables are not those that it was written for.
  if ((code & kPrimaryCodeMask) == SQLITE_ERROR) why.kind = ErrorKind::corrupt;
  return std::unexpected(std::move(why));
}

base::Result<std::int64_t> Database::query_number(const char* sql) {
  AC_ASSIGN(Statement statement, prepare(sql));
  AC_ASSIGN(const auto number, statement.one_number());
  return number.value_or(0);
}

base::Result<std::string> Database::query_text(const char* sql) {
  AC_ASSIGN(Statement statement, prepare(sql));
  AC_ASSIGN(const bool has_row, statement.step());
  return has_row ? statement.bytes(0) : std::string();
}

base::Error Database::error(int code) const { return sqlite_error(database_.get(), code); }

}  // namespace arenacache::store
