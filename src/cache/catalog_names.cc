// SPDX-License-Identifier: Apache-2.0
// Catalog's part in changes through the mount: names that move, and who writes.
#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catalog.h"
#include "core.h"

namespace arenacache::cache {

std::vector<std::shared_ptr<Object>> Catalog::begin_move(SourceId source, const std::string& path) {
  const base::MutexLock lock(mutex_);
  auto objects = below_locked(source, path);
  std::erase_if(objects, [&](const std::shared_ptr<Object>& object) {
    const base::MutexLock object_lock(object->mutex);
    if (object->key.inode != 0) return true;
    ++object->moves;
    if (object->is_stored()) core_.index->put(object->row());
    return false;
  });
  return objects;
}

void Catalog::end_move(const std::vector<std::shared_ptr<Object>>& objects) {
  for (const auto& object : objects) {
    const base::MutexLock lock(object->mutex);
    --object->moves;
    if (!object->is_dropped() && object->is_stored()) core_.index->put(object->row());
  }
}

void Catalog::move_path_locked(const std::shared_ptr<Object>& object, const std::string& path,
                               std::vector<base::Job>& after) {
  const auto there = by_path_.find({object->source->id, path});
  if (there != by_path_.end() && there->second != object) {
    // An open between the origin's rename and ours made it.
    if (auto jobs = drop_locked(std::shared_ptr<Object>(there->second), Unlink::later)) {
      std::ranges::move(*jobs, std::back_inserter(after));
    }
  }
  const base::MutexLock lock(object->mutex);
  const auto old = by_path_.find({object->source->id, object->path});
  if (old != by_path_.end() && old->second == object) by_path_.erase(old);
  if (object->key.inode == 0) {
    by_key_.erase(object->key);
    object->key.path = path;
    by_key_[object->key] = object;
    object->writers = writers_.count(object->key);
  }
  object->path = path;
  object->row_due = true;
  object->manifest_due = object->packed.has_value();
  by_path_[{object->source->id, path}] = object;
  const bool pinned = is_pinned_locked(object->source->id, path);
  if (pinned && pin_holds_.insert(object->id).second) core_.space->hold(object->id);
  if (!pinned && pin_holds_.erase(object->id) > 0) core_.space->release(object->id);
}

void Catalog::move_tree_locked(const std::vector<std::shared_ptr<Object>>& objects, const std::string& from,
                               const std::string& to, std::vector<base::Job>& after) {
  for (const auto& object : objects) {
    std::string path;
    {
      const base::MutexLock lock(object->mutex);
      path = to + object->path.substr(from.size());
    }
    move_path_locked(object, path, after);
  }
}

/// Who holds a dropped object open may still have to ask the origin for it, by its name.
void Catalog::rename_dropped_locked(SourceId source, const std::string& from, const std::string& to, bool exchanged) {
  for (const auto& [key, held] : held_dropped_) {
    const auto object = held.lock();
    if (!object || key.source != source) continue;
    const base::MutexLock lock(object->mutex);
    if (is_below(object->path, from)) {
      object->path = to + object->path.substr(from.size());
    } else if (exchanged && is_below(object->path, to)) {
      object->path = from + object->path.substr(to.size());
    }
  }
}

void Catalog::rename_pins_locked(SourceId source, const std::string& from, const std::string& to) {
  std::vector<PathKey> pinned;
  for (const auto& pin : pins_) {
    if (pin.first == source && is_below(pin.second, from)) pinned.push_back(pin);
  }
  for (const auto& pin : pinned) pins_.erase(pin);
  for (const auto& pin : pinned) pins_.emplace(source, to + pin.second.substr(from.size()));
}

void Catalog::renamed(Source& source, const std::string& from, const std::string& to, bool exchanged) {
  std::vector<base::Job> after;
  {
    const base::MutexLock lock(mutex_);
    rename_dropped_locked(source.id, from, to, exchanged);
    writers_.rename(source.id, [&](const std::string& path) -> std::string {
      if (is_below(path, from)) return to + path.substr(from.size());
      if (!is_below(path, to)) return path;
      // Replaced: what is written has no name any more, and no object ever has this one.
      return exchanged ? from + path.substr(to.size()) : std::string();
    });
    const auto moved = below_locked(source.id, from);
    if (exchanged) {
      const auto back = below_locked(source.id, to);
      // Path keys of two swapped trees would collide half-way: move one aside first.
      const std::string aside = from + "\n(exchange)";
      move_tree_locked(moved, from, aside, after);
      move_tree_locked(back, to, from, after);
      move_tree_locked(moved, aside, to, after);
      core_.index->rename_path(source.name, from, aside);
      core_.index->rename_path(source.name, to, from);
      core_.index->rename_path(source.name, aside, to);
    } else {
      rename_pins_locked(source.id, from, to);
      move_tree_locked(moved, from, to, after);
      core_.index->rename_path(source.name, from, to);
    }
  }
  for (auto& job : after) job();
}

std::shared_ptr<WrittenFile> Catalog::writer_opened(const FileRef& file) {
  const auto written = std::make_shared<WrittenFile>(
      WrittenFile{.file = file, .key = key_of(*core_.source_of(file.source), file), .written = {}});
  const base::MutexLock lock(mutex_);
  writers_.note_written(written->key, std::nullopt);
  writers_.add(written);
  if (const auto it = by_key_.find(written->key); it != by_key_.end()) {
    const base::MutexLock object_lock(it->second->mutex);
    it->second->writers = writers_.count(written->key);
  }
  return written;
}

std::optional<FileRef> Catalog::writer_closed(const std::shared_ptr<WrittenFile>& written) {
  const base::MutexLock lock(mutex_);
  writers_.remove(written);
  if (const auto it = by_key_.find(written->key); it != by_key_.end()) {
    const base::MutexLock object_lock(it->second->mutex);
    it->second->writers = writers_.count(written->key);
    if (it->second->writers == 0 && it->second->is_stored()) core_.index->put(it->second->row());
  }
  if (!written->written || written->file.path.empty() || writers_.contains(written->key)) return std::nullopt;
  return FileRef{.source = written->file.source, .path = written->file.path, .version = *written->written};
}

bool Catalog::note_written(const FileRef& file) {
  const ObjectKey key = key_of(*core_.source_of(file.source), file);
  const base::MutexLock lock(mutex_);
  writers_.note_written(key, file.version);
  return writers_.contains(key);
}

FileRef Catalog::file_of(const WrittenFile& written) const {
  const base::MutexLock lock(mutex_);
  return written.file;
}

bool Catalog::has_writer(const ObjectKey& key) const {
  const base::MutexLock lock(mutex_);
  return writers_.contains(key);
}

}  // namespace arenacache::cache
