// SPDX-License-Identifier: Apache-2.0
#include "index_batch.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <variant>

#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "index_tables.h"

namespace arenacache::store {

namespace {

struct Apply {
  IndexTables& tables;
  base::Result<void> operator()(const IndexRow& row) const { return tables.put_row(row); }
  base::Result<void> operator()(const RemoveRow& row) const { return tables.remove_row(row.id); }
  base::Result<void> operator()(const PinChange& change) const {
    return change.is_pinned ? tables.put_pin(change.pin) : tables.remove_pin(change.pin);
  }
  base::Result<void> operator()(const RenamePath& rename) const {
    return tables.rename_path(rename.source, rename.from, rename.to);
  }
  base::Result<void> operator()(const ListingRow& row) const { return tables.put_listing(row); }
  base::Result<void> operator()(const RemoveListings& removal) const {
    return tables.remove_listings(removal.source, removal.path, removal.below);
  }
};

}  // namespace

void IndexBatch::add(IndexChange change) {
  const std::uint64_t place = next_place_++;
  // The older change of the row goes: the newer says everything, its path too, so that renames in between change nothing. A
  // pin is only its path: there a rename in between counts.
  const auto replace = [this, place](auto& places, const auto& key) {
    const auto [it, is_new] = places.try_emplace(key, place);
    if (!is_new) changes_.erase(std::exchange(it->second, place));
  };
  if (const auto* row = std::get_if<IndexRow>(&change)) replace(row_places_, row->id);
  if (const auto* row = std::get_if<RemoveRow>(&change)) replace(row_places_, row->id);
  if (const auto* pin = std::get_if<PinChange>(&change)) replace(pin_places_, pin->pin);
  if (std::holds_alternative<RenamePath>(change)) pin_places_.clear();
  if (auto* row = std::get_if<ListingRow>(&change)) {
    keep_bytes(*row);
    // Nothing is left of which the time could move: the removal stands.
    if (!row->bytes && is_removal_waiting(*row)) return;
    replace(listing_places_, std::pair(row->source, row->path));
  }
  if (const auto* removal = std::get_if<RemoveListings>(&change)) {
    if (removal->below) {
      listing_places_.clear();
    } else {
      replace(listing_places_, std::pair(removal->source, removal->path));
    }
  }
  changes_.emplace(place, std::move(change));
}

/// A row that moves the time alone takes over the bytes of the one it replaces.
void IndexBatch::keep_bytes(ListingRow& row) const {
  if (row.bytes) return;
  const auto older = listing_places_.find({row.source, row.path});
  if (older == listing_places_.end()) return;
  if (const auto* waiting = std::get_if<ListingRow>(&changes_.at(older->second))) row.bytes = waiting->bytes;
}

bool IndexBatch::is_removal_waiting(const ListingRow& row) const {
  const auto older = listing_places_.find({row.source, row.path});
  return older != listing_places_.end() && std::holds_alternative<RemoveListings>(changes_.at(older->second));
}

void IndexBatch::append(IndexBatch later) {
  for (auto& [place, change] : later.changes_) add(std::move(change));
  for (const auto& [name, value] : later.counters_) counters_.insert_or_assign(name, value);
  for (const auto& [key, value] : later.metas_) metas_.insert_or_assign(key, value);
  std::ranges::move(later.jobs_, std::back_inserter(jobs_));
}

base::Result<void> IndexBatch::apply(IndexTables& tables) const {
  for (const auto& [place, change] : changes_) AC_TRY(std::visit(Apply{tables}, change));
  for (const auto& [name, value] : counters_) AC_TRY(tables.put_counter(name, value));
  for (const auto& [key, value] : metas_) AC_TRY(tables.put_meta(key, value));
  return {};
}

}  // namespace arenacache::store
