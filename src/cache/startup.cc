// SPDX-License-Identifier: Apache-2.0
#include "startup.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/policy/eviction_policy.h"
#include "arenacache/store/layout.h"
#include "arenacache/store/no_index.h"
#include "arenacache/store/rebuild.h"
#include "packed_startup.h"

namespace arenacache::cache {
namespace {

/// After anything but a clean end: rows without data go, data without row goes; an index that was lost is made anew.
base::Result<void> take_stock(store::RawTier& tier, store::Index& index, store::IndexContents& contents) {
  if (contents.clean && !contents.was_reset) return {};
  AC_ASSIGN(auto inventory, tier.take_inventory());
  if (contents.was_reset) {
    base::log_warn(
        base::text("the index was lost or unreadable; rebuilt from ", inventory.objects.size(), " sidecars"));
    AC_ASSIGN(auto rebuilt, store::rebuild_contents(tier, inventory));
    contents.rows = std::move(rebuilt.rows);
    for (const auto& row : contents.rows) index.put(row);
    return {};
  }
  std::set<store::ObjectId> indexed, on_disk;
  for (const auto& row : contents.rows) indexed.insert(row.id);
  for (const auto& object : inventory.objects) {
    on_disk.insert(object.id);
    // No row: it was being evicted or written to when the last life ended. It must not come back.
    if (!indexed.contains(object.id)) AC_TRY(tier.remove(object.id));
  }
  for (auto& row : contents.rows) {
    if (on_disk.contains(row.id) || !row.has_packed() || row.resident) continue;
    // One that is packed alone has nothing here; whether its copy is there the tier will say.
    if (std::exchange(row.allocated_bytes, 0) > 0) index.put(row);
  }
  std::erase_if(contents.rows, [&](const store::IndexRow& row) {
    if (on_disk.contains(row.id) || (row.has_packed() && !row.resident)) return false;
    index.remove(row.id);
    return true;
  });
  return {};
}

struct Opened {
  store::StoreFolder folder;
  std::shared_ptr<store::RawTier> tier;
  std::unique_ptr<store::Index> index;
};

base::Result<Opened> open_store(const config::Config& config, EngineDeps deps, Found& found) {
  Opened store;
  AC_ASSIGN(store.folder, store::open_store_folder(deps.io, config.store.path));
  AC_ASSIGN(store.index, store::Index::open(store.folder.index_path(), found.contents));
  AC_ASSIGN(store.tier, store::RawTier::open(deps.io, store.folder.raw_path()));
  AC_TRY(take_stock(*store.tier, *store.index, found.contents));
  return store;
}

Opened no_store(const config::Config& config, EngineDeps deps) {
  Opened store;
  store.folder.path = config.store.path;
  store.index = std::make_unique<store::NoIndex>();
  store.tier = store::RawTier::unopened(deps.io, store.folder.raw_path());
  return store;
}

/// A disk that fails, is full or lets nobody write must not keep programs from their files; anything else is for the owner to
/// put right before the mount appears.
bool is_the_disks_fault(const base::Error& error) {
  constexpr std::array kErrors = {EIO, EROFS, ENOSPC, EDQUOT, EUCLEAN, ENXIO, ENODEV, ESTALE};
  return error.kind != base::ErrorKind::invalid && std::ranges::find(kErrors, error.errno_value) != kErrors.end();
}

std::shared_ptr<Source> source_named(const Core& core, const std::string& name) {
  const auto it = std::ranges::find_if(core.sources, [&](const auto& source) { return source->name == name; });
  return it == core.sources.end() ? nullptr : *it;
}

/// Rows first, durably: a file without a row is collected at the next start, a row without a file would be trusted.
void forget_rows(Core& core, const std::vector<store::ObjectId>& ids) {
  if (ids.empty()) return;
  for (const auto id : ids) core.index->remove(id);
  if (auto synced = core.index->sync(); !synced) base::log_warn(synced.error().what);
  for (const auto id : ids) {
    if (auto removed = core.tier->remove(id); !removed) base::log_warn(removed.error().what);
  }
}

/// Its whole size was reserved: a copy was under way.
bool was_interrupted(const store::IndexRow& row) {
  return !row.resident && row.allocated_bytes >= row.origin.size && row.origin.size > 0;
}

/// Null: it is of no use.
std::shared_ptr<Object> restore_row(Core& core, const Found& found, const store::IndexRow& row, Catalog::Copy copy) {
  // After a crash of the machine what was synced should be there; the disk may have lied, so it is looked at first.
  const bool must_verify = !found.contents.clean && !found.contents.same_boot;
  const auto source = source_named(core, row.origin.source);
  const bool is_there = row.has_raw() || copy.is_known();
  if (!source || row.dirty || !is_there) return nullptr;
  return core.catalog.restore(row, source, must_verify, std::move(copy));
}

/// What the raw tier had got of an object while its packed copy was away. The file first: a row that has lost it is put right by
/// the next start.
void drop_partial_files(Core& core, const std::vector<std::shared_ptr<Object>>& objects) {
  for (const auto& object : objects) {
    if (auto removed = core.tier->remove(object->id); !removed) base::log_warn(removed.error().what);
    const base::MutexLock lock(object->mutex);
    core.index->put(object->row());
  }
}

/// Accounts what the rows say is in the raw tier. Only whole files of one size may be one file.
void account_rows(store::RawTier& tier, const std::vector<store::IndexRow>& rows) {
  std::map<std::uint64_t, std::vector<store::ObjectId>> by_size;
  for (const auto& row : rows) {
    if (!row.has_raw()) continue;
    tier.account(row.id, row.allocated_bytes);
    if (row.resident && row.origin.size > 0) by_size[row.origin.size].push_back(row.id);
  }
  for (const auto& [size, ids] : by_size) {
    if (ids.size() > 1) static_cast<void>(tier.find_shared(ids));
  }
}

}  // namespace

base::Result<std::shared_ptr<Core>> open_core(const config::Config& config, const EngineDeps& deps, Found& found) {
  Opened store;
  std::string trouble;
  if (auto opened = open_store(config, deps, found)) {
    store = std::move(*opened);
  } else if (is_the_disks_fault(opened.error())) {
    trouble = base::text("the store cannot be used, so nothing is cached until the next start: ", opened.error().what);
    base::log_error(trouble);
    found = {};
    store = no_store(config, deps);
  } else {
    return std::unexpected(std::move(opened).error());
  }
  AC_ASSIGN(auto main_order, policy::make_eviction_policy(config.cache.policy));
  AC_ASSIGN(auto small_order, policy::make_eviction_policy(config.cache.policy));
  auto space = std::make_shared<Space>(std::move(main_order), std::move(small_order));
  auto core = std::make_shared<Core>(deps, std::move(store.folder), std::move(store.tier), std::move(store.index),
                                     std::move(space));
  core->store_trouble = std::move(trouble);
  core->mode.store(config.cache.mode);
  core->earlier_lives = found.contents.counters;
  core->copier.set_threads(config.fill.threads);
  core->packer.set_threads(config.pack.threads);
  if (core->store_trouble.empty()) open_tiers(*core, config, found);
  apply_limits(*core, config);
  return core;
}

void apply_limits(Core& core, const config::Config& config) {
  const auto disk = core.io.disk_space(core.folder.path);
  const std::uint64_t total = disk ? disk->total_bytes : 0;
  const std::uint64_t capacity = config.store.capacity.resolve(total);
  // A store so small that cache.small would take it all keeps three quarters for models.
  const std::uint64_t small = std::min(config.cache.small.resolve(total), capacity / 4);
  core.space->set_limits(
      {.capacity_bytes = capacity, .small_bytes = small, .keep_free_bytes = config.store.keep_free.resolve(total)});
  core.evictor.refresh_disk();
  core.scrubber.set_interval(config.scrub.interval);
  core.read_ahead.set_capacity(config.ram.capacity.resolve(base::memory_bytes()));
  core.chunks.set_capacity(config.ram.chunks);
  core.packer.set_ahead(config.pack.ahead.resolve(capacity));
  for (const auto& tier : core.tiers) {
    const auto found = std::ranges::find(config.tiers, tier->name, &config::TierConfig::name);
    if (found != config.tiers.end()) tier->set_limits(core.io, *found);
  }
}

void restore_objects(Core& core, Found found) {
  adopt_copies(core, found);
  auto& rows = found.contents.rows;
  std::ranges::sort(rows, {}, [](const store::IndexRow& row) { return std::pair(row.last_use_ns, row.id); });
  for (const auto& pin : found.contents.pins) {
    if (const auto source = source_named(core, pin.source)) core.catalog.restore_pin(source->id, pin.path);
  }
  std::uint64_t kept = 0;
  std::vector<store::ObjectId> forgotten;
  std::vector<std::shared_ptr<Object>> interrupted, partial;
  std::map<store::ObjectId, store::ObjectId> sharers;  ///< the first object of each data file
  account_rows(*core.tier, rows);
  for (const auto& row : rows) {
    auto copy = copy_of(core, found, row);
    const bool has_packed = copy.packed.has_value();
    const auto object = restore_row(core, found, row, std::move(copy));
    if (!object) {
      forgotten.push_back(row.id);
      continue;
    }
    ++kept;
    const auto [first, is_first] = sharers.emplace(core.tier->data_of(row.id), row.id);
    if (!is_first) core.space->share(row.id, first->second, row.origin.size);
    if (has_packed && !row.resident && row.allocated_bytes > 0) partial.push_back(object);
    if (!has_packed && was_interrupted(row)) interrupted.push_back(object);
  }
  forget_rows(core, forgotten);
  drop_partial_files(core, partial);
  remove_unknown_copies(core, found);
  if (kept + forgotten.size() > 0) {
    base::log_info(base::text("the store holds ", kept, " objects; ", forgotten.size(), " removed"));
  }
  for (const auto& object : interrupted) core.copier.ask(object);
}

}  // namespace arenacache::cache
