// SPDX-License-Identifier: Apache-2.0
// What folders held, kept in the index for vfs.
#include <string>
#include <utility>
#include <vector>

#include "arenacache/cache/engine.h"
#include "core.h"
#include "engine_state.h"

namespace arenacache::cache {

namespace {

const std::string& name_of(const Core& core, SourceId source) {
  return core.sources[static_cast<std::size_t>(source)]->name;
}

}  // namespace

std::vector<KnownListing> Engine::take_listings(SourceId source) {
  return state_->listings.take(name_of(core_, source));
}

void Engine::put_listing(SourceId source, KnownListing listing) {
  if (!listing.validated) return;
  core_.index->put_listing({.source = name_of(core_, source),
                            .path = std::move(listing.path),
                            .validated_ns = listing.validated->time_since_epoch().count(),
                            .bytes = std::move(listing.bytes)});
}

void Engine::remove_listings(SourceId source, const std::string& path, bool below) {
  core_.index->remove_listings(name_of(core_, source), path, below);
}

std::uint64_t Engine::listing_budget() const {
  return Listings::budget_bytes(core_.space->numbers().limits.capacity_bytes, core_.sources.size());
}

}  // namespace arenacache::cache
