// SPDX-License-Identifier: Apache-2.0
#include "ram.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <utility>

#include "core.h"

namespace arenacache::cache {
namespace {

constexpr auto kCountIsGood = std::chrono::seconds(5);

/// The file of a resident object, opened for this if need be; null: it is not resident, or gone.
std::shared_ptr<store::RawFile> resident_file(const Core& core, Object& object) {
  {
    const base::MutexLock lock(object.mutex);
    if (object.life != Life::resident) return nullptr;
    if (object.file) return object.file;
  }
  auto opened = core.tier->open_file(object.id);
  return opened ? *opened : nullptr;
}

/// The object, if a packed tier alone has it.
PrefetchProgress progress_of_packed(Core& core, Object& object) {
  PrefetchProgress progress{.state = PrefetchState::failed, .size_bytes = object.size, .reason = {}};
  RamState state{};
  {
    const base::MutexLock lock(object.mutex);
    state = object.ram_file ? RamState::done : object.ram_state;
  }
  switch (state) {
    case RamState::under_way:
      progress.state = PrefetchState::filling;
      progress.cached_bytes = core.ram_files.done_bytes(object);
      break;
    case RamState::no_room:
      progress.state = PrefetchState::skipped;
      progress.reason = "ram.capacity, or the memory that is free, has no room for it";
      break;
    case RamState::done:
      progress.state = PrefetchState::done;
      progress.cached_bytes = object.size;
      break;
    case RamState::none:
    case RamState::failed:
      progress.reason = "it could not be decoded into memory: the daemon's log says why";
      break;
  }
  return progress;
}

}  // namespace

std::uint64_t ram_bytes(const Core& core, Object& object) {
  {
    const base::MutexLock lock(object.mutex);
    if (object.ram_file) return object.size;
  }
  const auto file = resident_file(core, object);
  if (!file) return 0;
  const auto cached = core.page_cache.cached_bytes(file->descriptor(), {.offset = 0, .length = object.size});
  return cached ? std::min(*cached, object.size) : 0;
}

std::uint64_t ram_used(Core& core) {
  const base::TimePoint now = core.clock.now();
  {
    const base::MutexLock lock(core.ram_count.mutex);
    if (core.ram_count.counted != base::TimePoint::min() && now - core.ram_count.counted < kCountIsGood) {
      return core.ram_count.bytes;
    }
    core.ram_count.counted = now;  // others take the last count meanwhile
  }
  std::uint64_t bytes = 0;
  std::set<store::ObjectId> counted;  // a file that several objects share is in memory once
  for (const auto& object : core.catalog.all()) {
    if (counted.insert(core.tier->data_of(object->id)).second) bytes += ram_bytes(core, *object);
  }
  const base::MutexLock lock(core.ram_count.mutex);
  core.ram_count.bytes = bytes;
  return bytes;
}

bool load_to_ram(Core& core, const FileRef& file) {
  const auto object = core.catalog.find(file);
  if (!object) return false;
  if (object->is_packed()) {
    static_cast<void>(core.ram_files.begin(object));
    return true;
  }
  const auto stored = resident_file(core, *object);
  if (!stored) return false;
  core.read_ahead.load(object, {.descriptor = stored->descriptor(), .owner = stored}, ram_used(core));
  return true;
}

PrefetchProgress ram_progress(Core& core, const std::shared_ptr<Object>& object) {
  if (object && object->is_packed()) return progress_of_packed(core, *object);
  if (!object || !resident_file(core, *object)) {
    return {.state = PrefetchState::skipped, .reason = "it is not in the store: prefetch it without --ram first"};
  }
  PrefetchProgress progress{.state = PrefetchState::filling, .size_bytes = object->size, .reason = {}};
  switch (core.read_ahead.loading(*object)) {
    case ReadAhead::Loading::under_way:
      progress.cached_bytes = ram_bytes(core, *object);
      break;
    case ReadAhead::Loading::no_room:
      progress.state = PrefetchState::skipped;
      progress.reason = "ram.capacity, or the memory that is free, has no room for it";
      break;
    case ReadAhead::Loading::none:
    case ReadAhead::Loading::done:
      progress.state = PrefetchState::done;
      progress.cached_bytes = object->size;
      break;
  }
  return progress;
}

}  // namespace arenacache::cache
