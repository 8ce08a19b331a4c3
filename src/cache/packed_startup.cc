// SPDX-License-Identifier: Apache-2.0
#include "packed_startup.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"

namespace arenacache::cache {

namespace {

constexpr std::string_view kIdentity = "packed_tier_identity.";
constexpr std::string_view kOwnDisk = "packed_tier_own_disk.";  ///< 1: it is not on the store's

/// What the index remembers of a tier, among its counters; 0: nothing.
std::uint64_t remembered(const Found& found, std::string_view what, const std::string& tier) {
  const auto it = found.contents.counters.find(base::text(what, tier));
  return it == found.contents.counters.end() ? 0 : it->second;
}

void remember(Core& core, std::string_view what, const std::string& tier, std::uint64_t value) {
  core.index->put_counter(base::text(what, tier), value);
}

/// A tier that is no longer configured: its copies are nobody's. Configured again one day, it is one that is not known.
void forget_others(Core& core, const config::Config& config, const Found& found) {
  for (const auto& [name, value] : found.contents.counters) {
    if (!name.starts_with(kIdentity) || value == 0) continue;
    const std::string tier = name.substr(kIdentity.size());
    if (std::ranges::find(config.tiers, tier, &config::TierConfig::name) == config.tiers.end())
      remember(core, kIdentity, tier, 0);
  }
}

void remember_disk(Core& core, const Found& found, const Tier& tier) {
  const auto here = core.io.stat(tier.store->directory()), store = core.io.stat(core.folder.path);
  if (!here || !store) return;
  const std::uint64_t is_own = here->device != store->device ? 1 : 0;
  if (is_own != remembered(found, kOwnDisk, tier.name)) remember(core, kOwnDisk, tier.name, is_own);
}

bool is_away(const Core& core, const std::string& tier) {
  return std::ranges::find(core.away_tiers, tier, &AwayTier::name) != core.away_tiers.end();
}

/// Where another tier lies than is known of, and nothing is known to be in that one: it was made below a mountpoint, before its disk was
/// there.
bool may_be_another(Core& core, const Found& found, const config::TierConfig& tier, const base::Error& error) {
  const auto is_in_it = [&](const store::IndexRow& row) { return row.packed_tier == tier.name; };
  return error.errno_value == ENODEV && std::ranges::none_of(found.contents.rows, is_in_it) &&
         core.io.stat(tier.path + "/VERSION");
}

/// The rows that name the tier mean another that lay there before: no copy has the id 0.
void forget_ids(Found& found, const std::string& tier) {
  for (auto& row : found.contents.rows) {
    if (row.packed_tier == tier) row.packed_id = {};
  }
}

void add_away(Core& core, const config::TierConfig& tier, const base::Error& error) {
  std::string trouble = base::text("the packed tier \"", tier.name, "\" is away: ", error.what,
                                   "; what is only there is read from the source, and kept for when it is back: ");
  trouble += error.errno_value == ENODEV
                 ? "mount its disk, then arenacache restart; if it is gone for good, give the [[tier]] another name"
                 : "put that right, then arenacache restart";
  base::log_error(trouble);
  core.away_tiers.push_back({.name = tier.name, .trouble = std::move(trouble)});
}

const store::PackedInventory::Entry* entry_of(const FoundTier& tier, store::ObjectId id) {
  const auto& entries = tier.inventory.objects;
  const auto it = std::ranges::lower_bound(entries, id, {}, &store::PackedInventory::Entry::id);
  return it == entries.end() || it->id != id ? nullptr : &*it;
}

/// What rows are told apart by: as the Catalog's objects.
using FileKey = std::tuple<std::string, std::uint64_t, std::uint64_t, std::string>;
FileKey key_of(const store::ObjectOrigin& origin) {
  if (origin.inode != 0) return {origin.source, origin.file_system_id, origin.inode, {}};
  return {origin.source, 0, 0, origin.path};
}

}  // namespace

void open_tiers(Core& core, const config::Config& config, Found& found) {
  forget_others(core, config, found);
  for (const config::TierConfig& wanted : config.tiers) {
    store::PackedInventory inventory;
    const std::uint64_t known = remembered(found, kIdentity, wanted.name);
    // One on the store's disk cannot be away: what is not there was deleted.
    const bool had_own_disk = remembered(found, kOwnDisk, wanted.name) != 0;
    auto opened = store::PackedTier::open(core.io, wanted.path, inventory, had_own_disk ? known : 0);
    if (!opened && may_be_another(core, found, wanted, opened.error())) {
      inventory = {};
      opened = store::PackedTier::open(core.io, wanted.path, inventory);
    }
    if (!opened) {
      add_away(core, wanted, opened.error());
      continue;
    }
    if (inventory.removed > 0) {
      base::log_warn(base::text("the packed tier \"", wanted.name, "\" had ", inventory.removed,
                                " damaged manifests, which are gone"));
    }
    // Copies have ids from the index that gives objects theirs; this one may not know of them.
    for (const auto& entry : inventory.objects) core.index->pass_over(entry.id);
    std::ranges::sort(inventory.objects, {}, &store::PackedInventory::Entry::id);
    const auto number = static_cast<unsigned>(core.tiers.size());
    core.tiers.push_back(std::make_shared<Tier>(number, wanted, std::move(*opened)));
    const bool is_known = known == inventory.identity;
    if (!is_known && known != 0) forget_ids(found, wanted.name);
    found.packed.push_back({.inventory = std::move(inventory), .is_known = is_known});
  }
}

void adopt_copies(Core& core, Found& found) {
  auto& rows = found.contents.rows;
  for (const auto& tier : core.tiers) {
    const FoundTier& has = found.packed[tier->number];
    remember_disk(core, found, *tier);
    if (has.is_known) continue;
    std::map<FileKey, std::size_t> known;
    for (std::size_t row = 0; row < rows.size(); ++row) known.emplace(key_of(rows[row].origin), row);
    for (const auto& entry : has.inventory.objects) {
      const auto [it, is_new] = known.emplace(key_of(entry.origin), rows.size());
      if (is_new) rows.push_back({.id = core.index->next_id(), .origin = entry.origin});
      store::IndexRow& row = rows[it->second];
      const bool is_same = row.origin.size == entry.origin.size && row.origin.mtime_ns == entry.origin.mtime_ns;
      if (!is_same || copy_of(core, found, row).is_known()) continue;
      row.needs_check = true;
      row.packed_tier = tier->name;
      row.packed_id = entry.id;
      core.index->put(row);
    }
    // Behind the rows: a start that dies between the two makes them again.
    remember(core, kIdentity, tier->name, has.inventory.identity);
  }
}

Catalog::Copy copy_of(const Core& core, const Found& found, const store::IndexRow& row) {
  if (!row.has_packed()) return {};
  if (is_away(core, row.packed_tier))
    return {.away = AwayCopy{.tier = row.packed_tier, .id = row.packed_id, .needs_check = row.needs_check}};
  const auto tier = std::ranges::find_if(core.tiers, [&](const auto& one) { return one->name == row.packed_tier; });
  if (tier == core.tiers.end()) return {};
  const auto* entry = entry_of(found.packed[(*tier)->number], row.packed_id);
  if (entry == nullptr || entry->origin.size != row.origin.size) return {};
  return {.packed = PackedPlace{.tier = *tier, .id = row.packed_id},
          .is_described_otherwise = entry->origin != row.origin};
}

namespace {

/// The copies that objects have, by tier.
std::vector<std::set<store::ObjectId>> known_copies(const Core& core) {
  std::vector<std::set<store::ObjectId>> known(core.tiers.size());
  for (const auto& object : core.catalog.all()) {
    const base::MutexLock lock(object->mutex);
    if (object->packed) known[object->packed->tier->number].insert(object->packed->id);
  }
  return known;
}

}  // namespace

void remove_unknown_copies(Core& core, const Found& found) {
  const auto known = known_copies(core);
  const bool is_unclean = !found.contents.clean || found.contents.was_reset;
  for (const auto& tier : core.tiers) {
    std::vector<store::ObjectId> unknown;
    for (const auto& entry : found.packed[tier->number].inventory.objects) {
      if (!known[tier->number].contains(entry.id)) unknown.push_back(entry.id);
    }
    if (unknown.empty() && !is_unclean) continue;
    core.background.submit("unlink", [core = core.shared_from_this(), tier, unknown = std::move(unknown), is_unclean] {
      for (const auto id : unknown) core->drops.remove_packed(PackedPlace{.tier = tier, .id = id});
      if (!is_unclean) return;
      if (auto collected = tier->store->collect_orphans(); !collected) base::log_warn(collected.error().what);
    });
  }
}

}  // namespace arenacache::cache
