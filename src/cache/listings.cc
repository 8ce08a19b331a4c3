// SPDX-License-Identifier: Apache-2.0
#include "listings.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "arenacache/base/units.h"

namespace arenacache::cache {

namespace {

// A million names, and never much of a store.
constexpr std::uint64_t kMostBytes = 128 * base::kMiB;
constexpr std::uint64_t kShareOfStore = 64;

}  // namespace

Listings::Listings(store::IndexContents& contents)
    : rows_(std::move(contents.listings)), is_time_trusted_(contents.clean && contents.same_boot) {}

std::vector<KnownListing> Listings::take(const std::string& source) {
  const auto others = std::ranges::partition(rows_, [&](const store::ListingRow& row) { return row.source != source; });
  std::vector<KnownListing> taken;
  for (store::ListingRow& row : others) {
    KnownListing listing{.path = std::move(row.path), .validated = {}, .bytes = std::move(row.bytes)};
    if (is_time_trusted_) listing.validated = base::WallTime(std::chrono::nanoseconds(row.validated_ns));
    taken.push_back(std::move(listing));
  }
  rows_.erase(others.begin(), others.end());
  return taken;
}

std::vector<std::string> Listings::untaken() const {
  std::set<std::string> names;
  for (const store::ListingRow& row : rows_) names.insert(row.source);
  return {names.begin(), names.end()};
}

std::uint64_t Listings::budget_bytes(std::uint64_t capacity_bytes, std::size_t sources) {
  return std::min(kMostBytes, capacity_bytes / kShareOfStore) / std::max<std::size_t>(sources, 1);
}

}  // namespace arenacache::cache
