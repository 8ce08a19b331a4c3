// SPDX-License-Identifier: Apache-2.0
#include "startup.h"

#include <algorithm>
#include <array>
#include <cerrno>
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
  std::erase_if(contents.rows, [&](const store::IndexRow& row) {
    if (on_disk.contains(row.id)) return false;
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
bool is_of_the_disk(const base::Error& error) {
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

}  // namespace

base::Result<std::shared_ptr<Core>> open_core(const config::Config& config, EngineDeps deps, Found& found) {
  Opened store;
  std::string trouble;
  if (auto opened = open_store(config, deps, found)) {
    store = std::move(*opened);
  } else if (is_of_the_disk(opened.error())) {
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
}

void restore_objects(Core& core, Found found) {
  auto& rows = found.contents.rows;
  std::ranges::sort(rows, {}, &store::IndexRow::last_use_ns);
  for (const auto& pin : found.contents.pins) {
    if (const auto source = source_named(core, pin.source)) core.catalog.restore_pin(source->id, pin.path);
  }
  // After a crash of the machine what was synced should be there; the disk may have lied, so it is looked at first.
  const bool must_verify = !found.contents.clean && !found.contents.same_boot;
  std::uint64_t kept = 0;
  std::vector<store::ObjectId> forgotten;
  std::vector<std::shared_ptr<Object>> interrupted;
  for (const auto& row : rows) {
    const auto source = source_named(core, row.origin.source);
    const bool is_usable = source && !row.dirty;
    core.tier->account(row.id, row.allocated_bytes);
    const auto object = is_usable ? core.catalog.restore(row, source, must_verify) : nullptr;
    if (!object) {
      forgotten.push_back(row.id);
      continue;
    }
    ++kept;
    // Its whole size was reserved: a copy was under way.
    if (!row.resident && row.allocated_bytes >= row.origin.size && row.origin.size > 0) interrupted.push_back(object);
  }
  forget_rows(core, forgotten);
  if (kept + forgotten.size() > 0) {
    base::log_info(base::text("the store holds ", kept, " objects; ", forgotten.size(), " removed"));
  }
  for (const auto& object : interrupted) core.copier.ask(object);
}

}  // namespace arenacache::cache
