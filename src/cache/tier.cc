// SPDX-License-Identifier: Apache-2.0
#include "tier.h"

#include <cstddef>
#include <utility>

namespace arenacache::cache {
namespace {

codec::Level level_of(config::PackLevel level) {
  switch (level) {
    case config::PackLevel::store:
      return codec::Level::store;
    case config::PackLevel::lz4:
      return codec::Level::lz4;
    case config::PackLevel::fast:
      return codec::Level::fast;
    case config::PackLevel::high:
      return codec::Level::high;
  }
  return codec::Level::fast;
}

}  // namespace

Tier::Tier(unsigned its_number, const config::TierConfig& config, std::shared_ptr<store::PackedTier> its_store)
    : number(its_number), name(config.name), level(level_of(config.level)), store(std::move(its_store)) {}

void Tier::set_limits(base::FileIo& io, const config::TierConfig& config) {
  const auto disk = io.disk_space(store->directory());
  const std::uint64_t total = disk ? disk->total_bytes : 0;
  capacity_bytes.store(config.capacity.resolve(total));
  keep_free_bytes.store(config.keep_free.resolve(total));
}

bool Tier::has_room(base::FileIo& io, std::uint64_t bytes) const {
  if (store->used_bytes() + bytes > capacity_bytes.load()) return false;
  const auto disk = io.disk_space(store->directory());
  return !disk || disk->free_bytes >= bytes + keep_free_bytes.load();
}

base::Result<PackedFile> open_packed(const PackedPlace& place) {
  AC_ASSIGN(auto object, place.tier->store->open_object(place.id));
  return PackedFile{.tier = place.tier, .object = std::move(object)};
}

}  // namespace arenacache::cache
