// SPDX-License-Identifier: Apache-2.0
#include "catalog.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "core.h"
#include "origin_close.h"

namespace arenacache::cache {

namespace {

/// A file of the store that the kernel reads by itself.
struct KernelsFile {
  std::shared_ptr<Object> object;  ///< null: it was dropped in an earlier life
  std::unique_ptr<Reservation> reservation;  ///< where there is no object that has one
  std::unique_ptr<SpaceHold> hold;  ///< its room is not about to be free
  std::shared_ptr<const void> file;
};

}  // namespace

bool is_below(const std::string& path, const std::string& folder) {
  if (folder.empty()) return true;
  if (!path.starts_with(folder)) return false;
  return path.size() == folder.size() || path[folder.size()] == '/';
}

ObjectKey Catalog::key_of(const Source& source, const FileRef& file) {
  const auto& fidelity = source.guarded->fidelity();
  if (fidelity.stable_inodes && file.version.inode != 0) {
    return {.source = source.id, .file_system_id = fidelity.file_system_id, .inode = file.version.inode, .path = {}};
  }
  return {.source = source.id, .file_system_id = 0, .inode = 0, .path = file.path};
}

std::shared_ptr<Object> Catalog::obtain(const FileRef& file, bool reading) {
  const auto& source = core_.source_of(file.source);
  const ObjectKey key = key_of(*source, file);
  std::vector<base::Job> after;
  std::shared_ptr<Object> object;
  {
    const base::MutexLock lock(mutex_);
    object = match_locked(file, key, after);
    if (!object) object = make_locked(file, key);
    if (reading) {
      const base::MutexLock object_lock(object->mutex);
      ++object->readers;
      object->refused = false;
      core_.space->hold(object->id);
    }
  }
  for (auto& job : after) job();
  return object;
}

std::shared_ptr<Object> Catalog::match_locked(const FileRef& file, const ObjectKey& key,
                                              std::vector<base::Job>& after) {
  const auto drop_and_keep_jobs = [&](const std::shared_ptr<Object>& old) AC_NO_THREAD_SAFETY_ANALYSIS {
    if (auto jobs = drop_locked(old, Unlink::later)) std::ranges::move(*jobs, std::back_inserter(after));
  };
  const auto same_name = by_path_.find({file.source, file.path});
  const auto found = by_key_.find(key);
  // Another file under this name: what had it is gone from the origin, or goes by another name that a next open tells of.
  if (same_name != by_path_.end() && (found == by_key_.end() || same_name->second != found->second)) {
    drop_and_keep_jobs(std::shared_ptr<Object>(same_name->second));
  }
  if (found == by_key_.end()) return nullptr;
  std::shared_ptr<Object> object = found->second;
  bool same_data = false;
  std::string old_path;
  {
    const base::MutexLock lock(object->mutex);
    same_data = object->version.same_data(file.version);
    const bool by_inode = key.inode != 0;
    const bool attributes_moved = by_inode && object->version.ctime_ns != file.version.ctime_ns;
    if (same_data && attributes_moved) object->doubt();
    if (same_data) {
      object->row_due = object->row_due || !(object->version == file.version);
      object->manifest_due = object->manifest_due || (object->packed && !(object->version == file.version));
      object->version = file.version;
    }
    old_path = object->path;
  }
  if (!same_data) {
    drop_and_keep_jobs(object);
    return nullptr;
  }
  if (old_path != file.path) move_path_locked(object, file.path, after);
  return object;
}

std::shared_ptr<Object> Catalog::make_locked(const FileRef& file, const ObjectKey& key) {
  const auto& source = core_.source_of(file.source);
  auto object = std::make_shared<Object>(core_.index->next_id(), source, key, file, core_.clock.now());
  object->reservation = core_.space->enter(object->id);
  enter_locked(object, key, file.path);
  return object;
}

void Catalog::enter_locked(const std::shared_ptr<Object>& object, const ObjectKey& key, const std::string& path) {
  by_key_[key] = object;
  by_path_[{object->source->id, path}] = object;
  by_id_[object->id] = object;
  {
    const base::MutexLock lock(object->mutex);
    object->writers = writers_.count(key);
  }
  if (is_pinned_locked(object->source->id, path) && pin_holds_.insert(object->id).second) core_.space->hold(object->id);
}

std::shared_ptr<Object> Catalog::restore(const store::IndexRow& row, const std::shared_ptr<Source>& source,
                                         bool must_verify, Copy copy) {
  const bool is_packed = copy.packed && !row.resident;
  const bool has_raw = row.has_raw() && !is_packed;
  const FileRef file{.source = source->id,
                     .path = row.origin.path,
                     .version = {.size = row.origin.size,
                                 .mtime_ns = row.origin.mtime_ns,
                                 .ctime_ns = row.origin.ctime_ns,
                                 .inode = row.origin.inode}};
  const ObjectKey key = row.origin.inode != 0
                            ? ObjectKey{.source = source->id,
                                        .file_system_id = row.origin.file_system_id,
                                        .inode = row.origin.inode,
                                        .path = {}}
                            : ObjectKey{.source = source->id, .file_system_id = 0, .inode = 0, .path = row.origin.path};
  auto object = std::make_shared<Object>(row.id, source, key, file, core_.clock.now());
  if (!is_packed) {
    object->reservation = core_.space->enter(row.id);
    const bool small = !row.resident && row.allocated_bytes < row.origin.size;
    core_.space->adopt(row.id, small ? row.allocated_bytes : footprint(row.origin.size), small);
  }
  {
    const base::MutexLock lock(object->mutex);
    object->has_map = !has_raw;
    if (is_packed) object->blocks = store::BlockMap();
    object->row_due = row.has_packed() && !copy.packed && !copy.away;
    object->manifest_due = copy.is_described_otherwise;
    object->packed = std::move(copy.packed);
    object->away = std::move(copy.away);
    object->was_complete = row.resident;
    object->allocated_bytes = has_raw ? row.allocated_bytes : 0;
    object->trust = row.needs_check && object->has_bytes() ? Trust::unchecked : Trust::trusted;
    object->last_use = base::WallTime(std::chrono::nanoseconds(row.last_use_ns));
    object->uses = row.uses;
    if (row.uses > 0) object->recent_uses = {object->last_use};
    object->read_fraction = row.read_percent / 100.0;
    object->load_habit = row.load_habit;
    object->must_verify = must_verify && !is_packed;
    if (row.resident) object->set_life(Life::resident);
    if (is_packed) object->set_life(Life::packed);
  }
  const base::MutexLock lock(mutex_);
  if (by_key_.contains(key) || by_path_.contains({source->id, row.origin.path})) return nullptr;
  enter_locked(object, key, row.origin.path);
  return object;
}

std::shared_ptr<Object> Catalog::find(const FileRef& file) const {
  const auto& source = core_.source_of(file.source);
  const base::MutexLock lock(mutex_);
  const auto it = by_key_.find(key_of(*source, file));
  return it == by_key_.end() ? nullptr : it->second;
}

std::vector<std::shared_ptr<Object>> Catalog::all_of(const FileRef& file) {
  const auto key = key_of(*core_.source_of(file.source), file);
  const base::MutexLock lock(mutex_);
  std::vector<std::shared_ptr<Object>> result;
  if (const auto it = by_key_.find(key); it != by_key_.end()) result.push_back(it->second);
  const auto [begin, end] = held_dropped_.equal_range(key);
  for (auto it = begin; it != end; ++it) {
    if (auto object = it->second.lock()) result.push_back(std::move(object));
  }
  return result;
}

std::shared_ptr<Object> Catalog::find_path(SourceId source, const std::string& path) const {
  const base::MutexLock lock(mutex_);
  const auto it = by_path_.find({source, path});
  return it == by_path_.end() ? nullptr : it->second;
}

std::shared_ptr<Object> Catalog::find_id(store::ObjectId id) const {
  const base::MutexLock lock(mutex_);
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

std::vector<std::shared_ptr<Object>> Catalog::below(SourceId source, const std::string& path) const {
  const base::MutexLock lock(mutex_);
  return below_locked(source, path);
}

std::vector<std::shared_ptr<Object>> Catalog::below_locked(SourceId source, const std::string& path) const {
  std::vector<std::shared_ptr<Object>> result;
  // Not contiguous: "a-b" sorts between "a" and "a/b".
  for (auto it = by_path_.lower_bound({source, path}); it != by_path_.end() && it->first.first == source; ++it) {
    if (is_below(it->first.second, path)) {
      result.push_back(it->second);
    } else if (!it->first.second.starts_with(path)) {
      break;
    }
  }
  return result;
}

std::vector<std::shared_ptr<Object>> Catalog::all() const {
  const base::MutexLock lock(mutex_);
  std::vector<std::shared_ptr<Object>> result;
  result.reserve(by_id_.size());
  for (const auto& [id, object] : by_id_) result.push_back(object);
  return result;
}

bool Catalog::drop(const std::shared_ptr<Object>& object, Unlink unlink) {
  std::optional<std::vector<base::Job>> jobs;
  {
    const base::MutexLock lock(mutex_);
    jobs = drop_locked(object, unlink);
  }
  if (!jobs) return false;
  for (auto& job : *jobs) job();
  return true;
}

std::optional<std::vector<base::Job>> Catalog::drop_locked(const std::shared_ptr<Object>& object, Unlink unlink) {
  std::vector<base::Job> jobs;
  ObjectKey key;
  std::string path;
  bool on_disk = false;
  bool is_held = false;
  {
    const base::MutexLock lock(object->mutex);
    if (object->is_dropped()) return std::nullopt;
    on_disk = object->is_stored() || object->file || object->life == Life::packed;
    object->set_life(Life::dropped);
    is_held = object->readers > 0;
    key = object->key;
    path = object->path;
    object->trust = Trust::trusted;
    if (object->ram_file) {
      // Its memory is given back without a lock.
      core_.background.submit("close", [file = std::move(object->ram_file)]() mutable { file.reset(); });
      object->ram_file = nullptr;
    }
    jobs = std::exchange(object->waiting_for_trust, {});
    // Under the object's lock: whoever sees that it is dropped may then wait for that to be durable.
    if (on_disk && unlink == Unlink::later) core_.drops.forget(object);
    if (on_disk && unlink == Unlink::by_caller) core_.drops.forget_row(*object);
  }
  std::erase_if(held_dropped_, [](const auto& entry) { return entry.second.expired(); });
  if (is_held) held_dropped_.emplace(key, object);
  if (!is_held) let_go_of_file(*object);
  erase_maps_locked(*object, key, path);
  core_.space->doom(object->id);
  return jobs;
}

void Catalog::erase_maps_locked(const Object& object, const ObjectKey& key, const std::string& path) {
  const auto erase_own = [&](auto& map, const auto& place) {
    const auto it = map.find(place);
    if (it != map.end() && it->second.get() == &object) map.erase(it);
  };
  erase_own(by_key_, key);
  erase_own(by_path_, PathKey{object.source->id, path});
  erase_own(by_id_, object.id);
  if (pin_holds_.erase(object.id) > 0) core_.space->release(object.id);
}

void Catalog::let_go_of_file(const Object& object) {
  auto watched = core_.read_ahead.dropped(object);
  if (watched) core_.background.submit("close", [watched = std::move(watched)]() mutable { watched.reset(); });
}

void Catalog::reader_gone(const std::shared_ptr<Object>& object) {
  // Closed without a lock: a close may block.
  std::shared_ptr<origin::OriginFile> closed;
  std::shared_ptr<store::RawFile> idle_file;
  PackedFile idle_packed;
  bool is_gone = false;
  {
    const base::MutexLock lock(mutex_);
    const base::MutexLock object_lock(object->mutex);
    core_.space->release(object->id);
    if (--object->readers > 0) return;
    if (!object->admitted && object->flights.empty()) closed = std::exchange(object->origin_file, nullptr);
    if (!object->is_dropped()) idle_file = object->take_idle_file();
    idle_packed = std::exchange(object->packed_file, {});
    const bool is_idle = !object->is_dropped() && !object->is_stored() && object->flights.empty() &&
                         object->later.empty() && !object->admitted;
    if (is_idle) {
      object->set_life(Life::dropped);
      if (object->file) core_.drops.forget(object);  // made for a copy that got nothing
      erase_maps_locked(*object, object->key, object->path);
    }
    is_gone = object->is_dropped();
  }
  // It may be the last to need its chunks: then they are deleted with it.
  if (idle_packed) core_.background.submit("close", [file = std::move(idle_packed)]() mutable { file = {}; });
  if (is_gone) let_go_of_file(*object);
  close_origin_file(*object->source, std::move(closed));
}

std::shared_ptr<const void> Catalog::hold_for_kernel(store::ObjectId id, std::uint64_t size) {
  const base::MutexLock lock(mutex_);
  std::erase_if(kernels_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<const void>& kept = kernels_[id];
  if (auto known = kept.lock()) return known;
  auto held = std::make_shared<KernelsFile>();
  if (const auto it = by_id_.find(id); it != by_id_.end()) {
    held->object = it->second;
  } else {
    held->reservation = core_.space->enter(id);
    core_.space->adopt(id, footprint(size), false);
    core_.space->doom(id);
  }
  held->hold = std::make_unique<SpaceHold>(core_.space, id);
  held->file = core_.tier->hold_for_kernel(id, size);
  kept = held;
  return held;
}

void Catalog::attributes_changed(const FileRef& before, const origin::Version& after) {
  const auto object = find(before);
  if (!object) return;
  const base::MutexLock lock(object->mutex);
  // Only if the store's copy is the file as it was right before: else the next open finds out by itself.
  if (!object->version.same_data(before.version) || after.size != before.version.size) return;
  if (object->version.ctime_ns != before.version.ctime_ns && object->key.inode != 0) object->doubt();
  object->version = after;
  object->row_due = true;
  object->checkpoint_due = object->checkpoint_due || (object->has_map && object->has_raw());
  object->manifest_due = object->packed.has_value();
}

void Catalog::restore_pin(SourceId source, const std::string& path) {
  const base::MutexLock lock(mutex_);
  pins_.emplace(source, path);
}

bool Catalog::pin(SourceId source, const std::string& path) {
  const base::MutexLock lock(mutex_);
  if (!pins_.emplace(source, path).second) return false;
  hold_pinned_locked(source, path, true);
  return true;
}

bool Catalog::unpin(SourceId source, const std::string& path) {
  const base::MutexLock lock(mutex_);
  if (pins_.erase({source, path}) == 0) return false;
  hold_pinned_locked(source, path, false);
  return true;
}

void Catalog::hold_pinned_locked(SourceId source, const std::string& path, bool hold) {
  for (const auto& object : below_locked(source, path)) {
    std::string object_path;
    {
      const base::MutexLock lock(object->mutex);
      object_path = object->path;
    }
    if (hold) {
      if (pin_holds_.insert(object->id).second) core_.space->hold(object->id);
    } else if (!is_pinned_locked(source, object_path) && pin_holds_.erase(object->id) > 0) {
      core_.space->release(object->id);
    }
  }
}

bool Catalog::is_pinned(SourceId source, const std::string& path) const {
  const base::MutexLock lock(mutex_);
  return is_pinned_locked(source, path);
}

bool Catalog::is_pinned_locked(SourceId source, const std::string& path) const {
  if (pins_.empty()) return false;
  std::string_view part = path;
  for (;;) {
    if (pins_.contains({source, std::string(part)})) return true;
    if (part.empty()) return false;
    const auto slash = part.rfind('/');
    part = slash == std::string_view::npos ? std::string_view{} : part.substr(0, slash);
  }
}

std::vector<std::pair<SourceId, std::string>> Catalog::pins() const {
  const base::MutexLock lock(mutex_);
  return {pins_.begin(), pins_.end()};
}

}  // namespace arenacache::cache
