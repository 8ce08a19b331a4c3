// SPDX-License-Identifier: Apache-2.0
// IndexTables: what each queued change means in SQL, and the reading of it all at the start.
// Threads: one at a time. Changes run inside the caller's transaction.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "index_paths.h"
#include "sqlite_db.h"

namespace arenacache::store {

// Keys of the table `meta`.
inline constexpr std::string_view kMetaNextId = "next_id";   ///< ids below it may have been given
inline constexpr std::string_view kMetaClean = "clean";      ///< 1: the last life ended with close()
inline constexpr std::string_view kMetaRebuild = "rebuild";  ///< 1: rows were lost and not yet rebuilt
inline constexpr std::string_view kMetaBoot = "boot";        ///< a hash of the boot id of the last life

class IndexTables {
 public:
  static base::Result<IndexTables> open(Database& database);

  base::Result<void> put_row(const IndexRow& row);
  base::Result<void> remove_row(ObjectId id);
  base::Result<void> put_pin(const PinRow& pin);
  base::Result<void> remove_pin(const PinRow& pin);
  base::Result<void> rename_path(std::string_view source, const std::string& from, const std::string& to);
  base::Result<void> put_listing(const ListingRow& row);
  base::Result<void> remove_listings(const std::string& source, const std::string& path, bool below);
  base::Result<void> put_counter(std::string_view name, std::uint64_t value);
  base::Result<void> put_meta(std::string_view key, std::uint64_t value);
  /// 0 for a key that is not there.
  base::Result<std::uint64_t> get_meta(std::string_view key);

 private:
  explicit IndexTables(PathTable paths) : paths_(std::move(paths)) {}

  PathTable paths_;
  Statement put_row_;
  Statement find_row_path_;
  Statement delete_row_;
  Statement put_pin_;
  Statement delete_pin_;
  Statement put_listing_;
  Statement move_listing_time_;
  Statement delete_listing_;
  Statement delete_listings_below_;
  Statement delete_listings_;
  Statement put_counter_;
  Statement put_meta_;
  Statement get_meta_;
};

/// Rows, pins and counters. ErrorKind::corrupt when they do not fit together.
base::Result<IndexContents> load_index(Database& database);

}  // namespace arenacache::store
