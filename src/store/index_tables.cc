// SPDX-License-Identifier: Apache-2.0
#include "index_tables.h"

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "index_flags.h"
#include "index_paths.h"
#include "sqlite_db.h"

namespace arenacache::store {

namespace {

/// SQLite's integers are signed: the same 64 bits.
std::int64_t to_sql(std::uint64_t value) { return std::bit_cast<std::int64_t>(value); }

std::int64_t to_sql(ObjectId id) { return to_sql(to_number(id)); }

std::int64_t flags_of(const IndexRow& row) {
  return (row.resident ? kRowResident : 0) | (row.dirty ? kRowDirty : 0) | (row.needs_check ? kRowNeedsCheck : 0) |
         (std::int64_t{row.load_habit & kMostLoadHabit} << kRowLoadHabitShift);
}

}  // namespace

base::Result<IndexTables> IndexTables::open(Database& database) {
  AC_ASSIGN(PathTable paths, PathTable::open(database));
  IndexTables tables(std::move(paths));
  AC_ASSIGN(
      tables.put_row_,
      database.prepare("INSERT OR REPLACE INTO objects(id, path, file_system_id, inode, size, mtime_ns,"
                       " ctime_ns, flags, allocated_bytes, last_use_ns, uses, read_percent, packed_tier, packed_id)"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, CAST(?13 AS TEXT), ?14)"));
  AC_ASSIGN(tables.find_row_path_, database.prepare("SELECT path FROM objects WHERE id = ?1"));
  AC_ASSIGN(tables.delete_row_, database.prepare("DELETE FROM objects WHERE id = ?1"));
  AC_ASSIGN(tables.put_pin_, database.prepare("INSERT OR IGNORE INTO pins(path) VALUES(?1)"));
  AC_ASSIGN(tables.delete_pin_, database.prepare("DELETE FROM pins WHERE path = ?1"));
  AC_ASSIGN(tables.put_listing_, database.prepare("INSERT OR REPLACE INTO listings(source, path, validated_ns, bytes)"
                                                  " VALUES(?1, ?2, ?3, ?4)"));
  AC_ASSIGN(tables.move_listing_time_,
            database.prepare("UPDATE listings SET validated_ns = ?3 WHERE source = ?1 AND path = ?2"));
  AC_ASSIGN(tables.delete_listing_, database.prepare("DELETE FROM listings WHERE source = ?1 AND path = ?2"));
  AC_ASSIGN(tables.delete_listings_below_,
            database.prepare("DELETE FROM listings WHERE source = ?1 AND path > ?2 AND path < ?3"));
  AC_ASSIGN(tables.delete_listings_, database.prepare("DELETE FROM listings WHERE source = ?1"));
  AC_ASSIGN(tables.put_counter_, database.prepare("INSERT OR REPLACE INTO counters(name, value)"
                                                  " VALUES(CAST(?1 AS TEXT), ?2)"));
  AC_ASSIGN(tables.put_meta_, database.prepare("INSERT OR REPLACE INTO meta(key, value) VALUES(CAST(?1 AS TEXT), ?2)"));
  AC_ASSIGN(tables.get_meta_, database.prepare("SELECT value FROM meta WHERE key = CAST(?1 AS TEXT)"));
  return tables;
}

base::Result<void> IndexTables::put_row(const IndexRow& row) {
  const ObjectOrigin& origin = row.origin;
  AC_ASSIGN(const PathId path, paths_.find_or_add(origin.source, origin.path));
  find_row_path_.start(to_sql(row.id));
  AC_ASSIGN(const std::optional<PathId> old_path, find_row_path_.one_number());
  put_row_.start(to_sql(row.id), path, to_sql(origin.file_system_id), to_sql(origin.inode), to_sql(origin.size),
                 origin.mtime_ns, origin.ctime_ns, flags_of(row), to_sql(row.allocated_bytes), row.last_use_ns,
                 to_sql(row.uses), to_sql(std::uint64_t{row.read_percent}), row.packed_tier, to_sql(row.packed_id));
  AC_TRY(put_row_.run());
  return old_path && *old_path != path ? paths_.drop_unused(*old_path) : base::Result<void>();
}

base::Result<void> IndexTables::remove_row(ObjectId id) {
  find_row_path_.start(to_sql(id));
  AC_ASSIGN(const std::optional<PathId> path, find_row_path_.one_number());
  if (!path) return {};
  delete_row_.start(to_sql(id));
  AC_TRY(delete_row_.run());
  return paths_.drop_unused(*path);
}

base::Result<void> IndexTables::put_pin(const PinRow& pin) {
  AC_ASSIGN(const PathId path, paths_.find_or_add(pin.source, pin.path));
  put_pin_.start(path);
  return put_pin_.run();
}

base::Result<void> IndexTables::remove_pin(const PinRow& pin) {
  AC_ASSIGN(const PathId path, paths_.find(pin.source, pin.path));
  if (path == kNoPath) return {};
  delete_pin_.start(path);
  AC_TRY(delete_pin_.run());
  return paths_.drop_unused(path);
}

base::Result<void> IndexTables::rename_path(std::string_view source, const std::string& from, const std::string& to) {
  return paths_.move(source, from, to);
}

base::Result<void> IndexTables::put_listing(const ListingRow& row) {
  if (!row.bytes) {
    move_listing_time_.start(row.source, row.path, row.validated_ns);
    return move_listing_time_.run();
  }
  put_listing_.start(row.source, row.path, row.validated_ns, *row.bytes);
  return put_listing_.run();
}

base::Result<void> IndexTables::remove_listings(const std::string& source, const std::string& path, bool below) {
  if (below && path.empty()) {
    delete_listings_.start(source);
    return delete_listings_.run();
  }
  delete_listing_.start(source, path);
  AC_TRY(delete_listing_.run());
  if (!below) return {};
  // Every path that begins with "path/", as bytes compare: '0' comes after '/'.
  const std::string first = path + '/';
  const std::string end = path + '0';
  delete_listings_below_.start(source, first, end);
  return delete_listings_below_.run();
}

base::Result<void> IndexTables::put_counter(std::string_view name, std::uint64_t value) {
  put_counter_.start(name, to_sql(value));
  return put_counter_.run();
}

base::Result<void> IndexTables::put_meta(std::string_view key, std::uint64_t value) {
  put_meta_.start(key, to_sql(value));
  return put_meta_.run();
}

base::Result<std::uint64_t> IndexTables::get_meta(std::string_view key) {
  get_meta_.start(key);
  AC_ASSIGN(const std::optional<std::int64_t> value, get_meta_.one_number());
  return std::bit_cast<std::uint64_t>(value.value_or(0));
}

}  // namespace arenacache::store
