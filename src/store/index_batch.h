// SPDX-License-Identifier: Apache-2.0
// IndexBatch: changes that wait for the index's thread, in order, and become durable together or not at all.
// Promises: of one row only the newest state is kept, so memory is bounded by the number of objects, not of changes; a rename
// keeps its place among the rows around it. Threads: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "index_tables.h"

namespace arenacache::store {

struct RemoveRow {
  ObjectId id{};
};
struct PinChange {
  PinRow pin;
  bool is_pinned = false;
};
struct RenamePath {
  std::string source;
  std::string from;
  std::string to;
};
struct RemoveListings {
  std::string source;
  std::string path;
  bool below = false;
};
using IndexChange = std::variant<IndexRow, RemoveRow, PinChange, RenamePath, ListingRow, RemoveListings>;

class IndexBatch {
 public:
  using DurableJob = std::move_only_function<void()>;

  void add(IndexChange change);
  void put_counter(const std::string& name, std::uint64_t value) { counters_[name] = value; }
  void put_meta(std::string_view key, std::uint64_t value) { metas_.insert_or_assign(std::string(key), value); }
  void add_job(DurableJob job) { jobs_.push_back(std::move(job)); }
  /// Puts `later` behind what is here.
  void append(IndexBatch later);

  [[nodiscard]] bool is_empty() const { return !has_changes() && jobs_.empty(); }
  [[nodiscard]] bool has_changes() const { return !changes_.empty() || !counters_.empty() || !metas_.empty(); }
  [[nodiscard]] std::size_t size_changes() const { return changes_.size(); }
  /// Inside the caller's transaction.
  base::Result<void> apply(IndexTables& tables) const;
  [[nodiscard]] std::vector<DurableJob> take_jobs() { return std::move(jobs_); }

 private:
  void keep_bytes(ListingRow& row) const;
  [[nodiscard]] bool is_removal_waiting(const ListingRow& row) const;

  std::uint64_t next_place_ = 0;
  std::map<std::uint64_t, IndexChange> changes_;  ///< by place: the order they were queued in
  std::unordered_map<ObjectId, std::uint64_t> row_places_;  ///< where the newest change of a row is
  std::map<PinRow, std::uint64_t> pin_places_;  ///< the same of pins, since the last rename
  /// The same of listings, by source and path, since the last removal of a whole tree.
  std::map<std::pair<std::string, std::string>, std::uint64_t> listing_places_;
  std::map<std::string, std::uint64_t> counters_;
  std::map<std::string, std::uint64_t> metas_;
  std::vector<DurableJob> jobs_;
};

}  // namespace arenacache::store
