// SPDX-License-Identifier: Apache-2.0
#include "arenacache/cache/engine.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/log.h"
#include "core.h"
#include "engine_state.h"
#include "origin_kind.h"
#include "outage.h"
#include "ram.h"
#include "read_path.h"
#include "startup.h"
#include "writer.h"

namespace arenacache::cache {
namespace {

/// What stop() may take to write out what is due.
constexpr auto kStopPatience = std::chrono::seconds(5);
/// A raw file and a packed copy.
constexpr int kMostCopies = 2;

ObjectState state_of(Life life) {
  if (life == Life::resident) return ObjectState::resident;
  return life == Life::packed ? ObjectState::packed : ObjectState::filling;
}

ObjectInfo describe(const Core& core, Object& object) {
  ObjectInfo info;
  std::optional<PackedPlace> packed;
  {
    const base::MutexLock lock(object.mutex);
    packed = object.packed;
    info = {.mount = object.source->name,
            .path = object.path,
            .state = state_of(object.life),
            .size_bytes = object.size,
            .cached_bytes = object.cached_bytes(),
            .last_use = object.last_use,
            .uses = object.uses,
            .pinned = false,
            .is_filling_now = object.admitted,
            .open_readers = object.readers,
            .tier = object.away ? object.away->tier + " (away)" : std::string()};
    if (object.life == Life::resident && core.tier->sharers(object.id) > 1) info.raw_shared_bytes = object.size;
  }
  if (packed) {
    const auto sizes = packed->tier->store->sizes(packed->id);
    info.tier = packed->tier->name;
    info.stored_bytes = sizes.stored_bytes;
    info.shared_bytes = sizes.shared_bytes;
    info.delta_bytes = sizes.delta_bytes;
  }
  info.ram_bytes = ram_bytes(core, object);
  info.pinned = core.catalog.is_pinned(object.source->id, info.path);
  return info;
}

bool has_writer(Object& object) {
  const base::MutexLock lock(object.mutex);
  return object.writers > 0;
}

}  // namespace

Engine::Engine(std::unique_ptr<EngineState> state) : state_(std::move(state)), core_(*state_->core) {}

base::Result<std::unique_ptr<Engine>> Engine::create(const config::Config& config, const EngineDeps& deps) {
  Found found;
  AC_ASSIGN(auto core, open_core(config, deps, found));
  auto state = std::make_unique<EngineState>();
  state->core = std::move(core);
  state->listings = Listings(found.contents);
  state->found = std::move(found);
  return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

Engine::~Engine() { stop(); }

SourceId Engine::add_source(const config::MountConfig& mount, std::shared_ptr<origin::GuardedOrigin> guarded) {
  const SourceId id{static_cast<std::uint32_t>(core_.sources.size())};
  core_.sources.push_back(std::make_shared<Source>(id, mount, std::move(guarded)));
  hear_of_outages(state_->core, core_.sources.back());
  return id;
}

void Engine::start() {
  if (state_->found) restore_objects(core_, *std::exchange(state_->found, std::nullopt));
  for (const std::string& gone : state_->listings.untaken()) {
    const auto is_it = [&](const auto& source) { return source->name == gone; };
    if (std::ranges::none_of(core_.sources, is_it)) core_.index->remove_listings(gone, "", true);
  }
  core_.committer.start_rounds();
  core_.read_ahead.start();
  core_.scrubber.start();
  if (!core_.tiers.empty()) {
    core_.chunks.start();
    core_.ram_files.start();
  }
  core_.packer.start();
  core_.inflater.start();
  core_.dedup.start();
  for (const auto& source : core_.sources) start_finding_kind(state_->core, source);
}

void Engine::stop() {
  if (core_.stopping.exchange(true)) return;
  core_.timers.stop();
  core_.read_ahead.stop();
  core_.scrubber.stop();
  core_.dedup.stop();
  core_.packer.stop();
  core_.inflater.stop();
  core_.chunks.stop();
  core_.ram_files.stop();
  const base::TimePoint deadline = core_.clock.now() + kStopPatience;
  core_.fetcher.end_creating();
  core_.committer.drop_empty();
  const bool is_written_out = core_.committer.write_out(deadline);
  if (!core_.drops.await_unlinks(deadline) || !is_written_out) core_.index->note_leftovers();
  if (auto closed = core_.index->close(); !closed) base::log_warn(closed.error().what);
}

void Engine::reload(const config::Config& config) {
  for (const auto& source : core_.sources) {
    const auto fresh =
        std::ranges::find_if(config.mounts, [&](const auto& mount) { return mount.name == source->name; });
    if (fresh == config.mounts.end()) continue;
    source->set_options(*fresh);
    source->mode.store(fresh->cache.mode);
  }
  state_->forget_command();
  core_.copier.set_threads(config.fill.threads);
  core_.packer.set_threads(config.pack.threads);
  core_.mode.store(config.cache.mode);
  apply_limits(core_, config);
}

std::optional<std::string> Engine::path_of(SourceId source, const origin::Version& version) const {
  for (const auto& object : core_.catalog.below(source, {})) {
    const base::MutexLock lock(object->mutex);
    const bool is_same = object->version.inode == version.inode && object->version.same_data(version);
    if (is_same && object->is_stored()) return object->path;
  }
  return std::nullopt;
}

std::shared_ptr<Reader> Engine::open(const OpenRequest& request) {
  auto& source = *core_.source_of(request.file.source);
  const bool is_off = source.mode.load() == config::CacheMode::off || !core_.store_trouble.empty();
  const bool is_ignored = !is_off && state_->is_ignored_command(source, request.pid);
  const bool is_cacheable = source.is_cacheable(request.file.path);
  StoreUse use = StoreUse::full;
  if (is_ignored || source.mode.load() == config::CacheMode::use_only || !is_cacheable) use = StoreUse::read_only;
  if (is_off) use = StoreUse::none;

  std::shared_ptr<Object> object = core_.catalog.obtain(request.file, true);
  // Looked at last: a writer that comes later finds the object, and drops it.
  if (request.has_writer || has_writer(*object)) use = StoreUse::follow;
  const bool uses_store = use == StoreUse::full || use == StoreUse::read_only;
  // What was damaged is gone: the next is its packed copy, or a fresh one.
  for (int tries = 0; uses_store && tries < kMostCopies && !core_.committer.load(object); ++tries) {
    core_.catalog.reader_gone(object);
    object = core_.catalog.obtain(request.file, true);
  }
  {
    const base::MutexLock lock(object->mutex);
    if (request.caller) object->caller = request.caller;
    if (request.origin_file && !object->origin_file) object->origin_file = request.origin_file;
  }
  if (uses_store) look_into(object);
  return make_reader(state_->core, object, {.use = use, .counts = !is_ignored, .is_uncached = is_off || !is_cacheable});
}

void Engine::look_into(const std::shared_ptr<Object>& object) {
  bool start_check = false;
  bool must_verify = false;
  {
    const base::MutexLock lock(object->mutex);
    must_verify = object->must_verify && object->life == Life::resident;
    const bool is_whole = object->life == Life::resident || object->life == Life::packed;
    start_check = object->trust == Trust::unchecked && is_whole;
    if (start_check) object->trust = Trust::checking;
  }
  if (start_check) core_.checker.start(object);
  if (must_verify) core_.verifier.start(object);
}

std::shared_ptr<Writer> Engine::open_for_writing(const FileRef& file) { return make_writer(state_->core, file); }

void Engine::before_data_change(const FileRef& file) { data_changes(core_, file); }

void Engine::before_name_goes(const FileRef& file) {
  const auto object = core_.catalog.find(file);
  if (!object) return;
  {
    const base::MutexLock lock(object->mutex);
    if (object->readers == 0) return;
  }
  // A failure here shows at the reader's next miss, with the origin's own error.
  if (auto opened = core_.fetcher.wait_for_origin(object); !opened) base::log_debug(opened.error().what);
}

std::shared_ptr<NameMove> Engine::before_rename(SourceId source, const NamePair& names) {
  return make_move(state_->core, source, names);
}

void Engine::renamed(SourceId source, const std::string& from, const std::string& to, bool exchanged) {
  core_.catalog.renamed(*core_.source_of(source), from, to, exchanged);
}

void Engine::attributes_changed(const FileRef& before, const origin::Version& after) {
  core_.catalog.attributes_changed(before, after);
}

void Engine::written(const FileRef& file) { fill_written(core_, file); }

config::CacheMode Engine::mode() const { return core_.mode.load(); }

void Engine::set_mode(config::CacheMode mode) {
  core_.mode.store(mode);
  for (const auto& source : core_.sources) source->mode.store(mode);
}

bool Engine::prefetch(const FileRef& file, PrefetchTarget target) {
  if (target == PrefetchTarget::ram) return load_to_ram(core_, file);
  return start_fill(core_, file);
}

PrefetchProgress Engine::prefetch_progress(SourceId source, const std::string& path, PrefetchTarget target) const {
  const auto object = core_.catalog.find_path(source, path);
  if (target == PrefetchTarget::ram) return ram_progress(core_, object);
  if (!object)
    return {.state = PrefetchState::failed, .size_bytes = 0, .cached_bytes = 0, .reason = "it is not known (any more)"};
  const base::MutexLock lock(object->mutex);
  PrefetchProgress progress{.state = PrefetchState::queued,
                            .size_bytes = object->size,
                            .cached_bytes = object->cached_bytes(),
                            .reason = object->refusal};
  if (object->is_complete()) {
    progress.state = PrefetchState::done;
  } else if (object->admitted) {
    progress.state = object->cached_bytes() > 0 ? PrefetchState::filling : PrefetchState::queued;
  } else if (object->refused) {
    progress.state = PrefetchState::skipped;
  } else {
    progress.state = PrefetchState::failed;
  }
  return progress;
}

void Engine::pin(SourceId source, const std::string& path) {
  if (core_.catalog.pin(source, path)) core_.index->put_pin({.source = core_.source_of(source)->name, .path = path});
}

void Engine::unpin(SourceId source, const std::string& path) {
  if (core_.catalog.unpin(source, path))
    core_.index->remove_pin({.source = core_.source_of(source)->name, .path = path});
}

std::vector<std::pair<std::string, std::string>> Engine::pins() const {
  std::vector<std::pair<std::string, std::string>> result;
  for (auto& [source, path] : core_.catalog.pins()) result.emplace_back(core_.source_of(source)->name, std::move(path));
  return result;
}

bool Engine::start_tier_task(SourceId source, const std::string& path, TierTask task, const std::string& tier) {
  return core_.tier_tasks.start(source, path, task, tier);
}

TierProgress Engine::tier_progress(SourceId source, const std::string& path) const {
  return core_.tier_tasks.progress(source, path);
}

std::vector<std::string> Engine::tier_names() const {
  std::vector<std::string> names = {"raw"};
  for (const auto& tier : core_.tiers) names.push_back(tier->name);
  for (const auto& tier : core_.away_tiers) names.push_back(tier.name);
  return names;
}

std::pair<std::uint64_t, std::uint64_t> Engine::evict(SourceId source, const std::string& path) {
  std::uint64_t objects = 0, bytes = 0;
  for (const auto& object : core_.catalog.below(source, path)) {
    std::string object_path;
    std::uint64_t freed = 0;
    {
      const base::MutexLock lock(object->mutex);
      object_path = object->path;
      if (object->is_dropped() || !object->is_stored()) continue;
      freed = Evictor::freed_bytes(core_, *object);
    }
    if (core_.catalog.is_pinned(source, object_path)) continue;
    core_.evictor.evict(object);
    bytes += freed;
    ++objects;
  }
  return {objects, bytes};
}

std::vector<ObjectInfo> Engine::list(SourceId source, const std::string& path) const {
  std::vector<ObjectInfo> result;
  for (const auto& object : core_.catalog.below(source, path)) {
    auto info = describe(core_, *object);
    if (info.cached_bytes > 0 || info.is_filling_now || !info.tier.empty()) result.push_back(std::move(info));
  }
  std::ranges::sort(result, {}, &ObjectInfo::path);
  return result;
}

base::Result<base::UniqueFd> Engine::make_probe_file() const {
  return core_.io.open(core_.folder.raw_path(), O_TMPFILE | O_RDWR, 0600);
}

void Engine::set_passthrough(SourceId source, PassthroughState state) {
  core_.source_of(source)->set_passthrough(std::move(state));
}

std::shared_ptr<const void> Engine::hold_backing(BackingKey key, std::uint64_t size) const {
  if (key == kNoBacking || is_origin_backing(key) || is_ram_backing(key)) return nullptr;
  return core_.catalog.hold_for_kernel(store::ObjectId{static_cast<std::uint64_t>(key)}, size);
}

bool Engine::trusts_store() const { return core_.trust.holds(); }

void Engine::check_invariants() const {
  core_.space->check_invariants();
  core_.tier->check_invariants();
  core_.chunks.check_invariants();
  for (const auto& tier : core_.tiers) tier->store->check_invariants();
  for (const auto& object : core_.catalog.all()) {
    const base::MutexLock lock(object->mutex);
    object->check_invariants();
  }
}

ScrubState Engine::start_scrub() { return core_.scrubber.ask(); }

ScrubState Engine::scrub_state() const { return core_.scrubber.state(); }

std::size_t Engine::source_count() const { return core_.sources.size(); }

const config::MountConfig& Engine::mount_of(SourceId source) const { return core_.source_of(source)->mount; }

origin::GuardedOrigin& Engine::origin_of(SourceId source) const { return *core_.source_of(source)->guarded; }

}  // namespace arenacache::cache
