// SPDX-License-Identifier: Apache-2.0
// Database and Statement: SQLite's C API with owners and Results. Errors: full disk is no_space, a damaged file corrupt,
// everything else store. Threads: one at a time (the caller sees to it). Never: throws, retries.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/held_apart.h"
#include "arenacache/base/result.h"

namespace arenacache::store {

/// One prepared statement. start() binds, step() gives row after row, run() is for statements that give none. One that stands
/// on a row keeps a read transaction open: step to the end, or reset().
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  /// Begins anew with these values for ?1, ?2, ...; text is bound as a blob and must live until the last step.
  template <class... Values>
  void start(const Values&... values) {
    reset();
    int slot = 0;
    (bind(++slot, values), ...);
  }
  /// True: there is a row. False: no more; the statement is reset and holds nothing.
  base::Result<bool> step();
  base::Result<void> run();
  /// The first column of the first row, if there is one; resets.
  base::Result<std::optional<std::int64_t>> one_number();
  void reset() { sqlite3_reset(statement_.get()); }

  [[nodiscard]] std::int64_t number(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  [[nodiscard]] std::string bytes(int column) const;

 private:
  void bind(int slot, std::int64_t value) { sqlite3_bind_int64(statement_.get(), slot, value); }
  void bind(int slot, std::string_view value);

  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
};

/// An open database that nobody else has: SQLite's own lock bytes are held apart, so that they come free at once when this process is
/// killed. (SQLite's locks would stay until its last thread is gone.)
class Database {
 public:
  /// ErrorKind::store when another process has it for longer than a moment.
  static base::Result<Database> open(const std::string& path);

  /// Runs statements that take no values.
  base::Result<void> execute(const char* sql);
  base::Result<Statement> prepare(const char* sql);
  /// The one number that `sql` gives.
  base::Result<std::int64_t> query_number(const char* sql);
  /// The first text that `sql` gives.
  base::Result<std::string> query_text(const char* sql);
  /// An Error from SQLite's last one.
  [[nodiscard]] base::Error error(int code) const;

 private:
  struct Closer {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  Database(base::HeldApart lock, std::unique_ptr<sqlite3, Closer> database)
      : lock_(std::move(lock)), database_(std::move(database)) {}

  base::HeldApart lock_;
  std::unique_ptr<sqlite3, Closer> database_;
};

}  // namespace arenacache::store
