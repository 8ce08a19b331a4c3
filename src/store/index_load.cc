// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "index_flags.h"
#include "index_paths.h"
#include "index_tables.h"
#include "sqlite_db.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

std::uint64_t from_sql(std::int64_t value) { return std::bit_cast<std::uint64_t>(value); }

/// The whole table of paths in memory, while rows are read.
class LoadedPaths {
 public:
  static base::Result<LoadedPaths> load(Database& database) {
    LoadedPaths out;
    AC_ASSIGN(Statement all, database.prepare("SELECT id, parent, name FROM paths"));
    for (;;) {
      AC_ASSIGN(const bool has_row, all.step());
      if (!has_row) return out;
      if (all.number(0) == kNoPath) return base::fail(ErrorKind::corrupt, 0, "the index has a path without a number");
      out.nodes_.try_emplace(all.number(0), Node{.parent = all.number(1), .name = all.bytes(2)});
    }
  }

  /// Source and path of a node. A node that is missing, or parents in a ring: the file is damaged.
  base::Result<PinRow> resolve(PathId id) const {
    std::vector<const std::string*> names;
    while (id != kNoPath) {
      const auto it = nodes_.find(id);
      if (it == nodes_.end() || names.size() > nodes_.size()) {
        return base::fail(ErrorKind::corrupt, 0, "the index has a row without a path");
      }
      names.push_back(&it->second.name);
      id = it->second.parent;
    }
    if (names.empty()) return base::fail(ErrorKind::corrupt, 0, "the index has a row without a source");
    PinRow out{.source = *names.back(), .path = {}};
    for (std::size_t i = names.size() - 1; i-- > 0;) {
      out.path += *names[i];
      if (i > 0) out.path += '/';
    }
    return out;
  }

 private:
  struct Node {
    PathId parent;
    std::string name;
  };
  std::unordered_map<PathId, Node> nodes_;
};

std::uint8_t percent_of(std::int64_t value) {
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(value, 0, 100));
}

base::Result<void> load_rows(Database& database, const LoadedPaths& paths, std::vector<IndexRow>& rows) {
  AC_ASSIGN(Statement all, database.prepare("SELECT id, path, file_system_id, inode, size, mtime_ns, ctime_ns, flags,"
                                            " allocated_bytes, last_use_ns, uses, read_percent, packed_tier, packed_id"
                                            " FROM objects"
                                            " ORDER BY id"));
  for (;;) {
    AC_ASSIGN(const bool has_row, all.step());
    if (!has_row) return {};
    const ObjectId packed_id{from_sql(all.number(13))};
    if (from_sql(all.number(0)) > kMaxObjectNumber || to_number(packed_id) > kMaxObjectNumber)
      return base::fail(ErrorKind::corrupt, 0, "the index has a row with no id");
    AC_ASSIGN(PinRow place, paths.resolve(all.number(1)));
    const std::int64_t flags = all.number(7);
    std::string packed_tier = all.bytes(12);
    if (packed_tier.empty() != (to_number(packed_id) == 0))
      return base::fail(ErrorKind::corrupt, 0, "the index has half of a packed copy");
    rows.push_back({.id = ObjectId{from_sql(all.number(0))},
                    .origin = {.source = std::move(place.source),
                               .path = std::move(place.path),
                               .file_system_id = from_sql(all.number(2)),
                               .inode = from_sql(all.number(3)),
                               .size = from_sql(all.number(4)),
                               .mtime_ns = all.number(5),
                               .ctime_ns = all.number(6)},
                    .resident = (flags & kRowResident) != 0,
                    .dirty = (flags & kRowDirty) != 0,
                    .needs_check = (flags & kRowNeedsCheck) != 0,
                    .allocated_bytes = from_sql(all.number(8)),
                    .last_use_ns = all.number(9),
                    .uses = from_sql(all.number(10)),
                    .read_percent = percent_of(all.number(11)),
                    .load_habit = static_cast<std::uint8_t>((flags >> kRowLoadHabitShift) & kMostLoadHabit),
                    .packed_tier = std::move(packed_tier),
                    .packed_id = packed_id});
  }
}

base::Result<void> load_pins(Database& database, const LoadedPaths& paths, std::vector<PinRow>& pins) {
  AC_ASSIGN(Statement all, database.prepare("SELECT path FROM pins"));
  for (;;) {
    AC_ASSIGN(const bool has_row, all.step());
    if (!has_row) break;
    AC_ASSIGN(PinRow pin, paths.resolve(all.number(0)));
    pins.push_back(std::move(pin));
  }
  std::ranges::sort(pins);
  return {};
}

base::Result<void> load_listings(Database& database, std::vector<ListingRow>& listings) {
  AC_ASSIGN(Statement all, database.prepare("SELECT source, path, validated_ns, bytes FROM listings"));
  for (;;) {
    AC_ASSIGN(const bool has_row, all.step());
    if (!has_row) return {};
    listings.push_back({.source = all.bytes(0),
                        .path = all.bytes(1),
                        .validated_ns = all.number(2),
                        .bytes = std::make_shared<const std::string>(all.bytes(3))});
  }
}

}  // namespace

base::Result<IndexContents> load_index(Database& database) {
  IndexContents contents;
  AC_ASSIGN(const LoadedPaths paths, LoadedPaths::load(database));
  AC_TRY(load_rows(database, paths, contents.rows));
  AC_TRY(load_pins(database, paths, contents.pins));
  AC_TRY(load_listings(database, contents.listings));
  AC_ASSIGN(Statement counters, database.prepare("SELECT name, value FROM counters"));
  for (;;) {
    AC_ASSIGN(const bool has_row, counters.step());
    if (!has_row) return contents;
    contents.counters[counters.bytes(0)] = from_sql(counters.number(1));
  }
}

}  // namespace arenacache::store
