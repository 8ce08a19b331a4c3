// SPDX-License-Identifier: Apache-2.0
#include "packed_objects.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/packed_tier.h"
#include "chunk_table.h"
#include "raw_names.h"

namespace arenacache::store {

base::Result<RecordPtr> PackedObjects::claim_new(ObjectId id) {
  base::MutexLock lock(mutex_);
  auto& record = records_[id];
  if (record) {
    return base::fail(base::ErrorKind::invalid, EEXIST, base::text("object ", id_name(id), " is in the tier already"));
  }
  record = std::make_shared<PackedRecord>();
  record->id = id;
  record->is_claimed = true;
  return record;
}

RecordPtr PackedObjects::claim(ObjectId id) {
  base::MutexLock lock(mutex_);
  while (true) {
    const auto it = records_.find(id);
    if (it == records_.end()) return nullptr;
    if (!it->second->is_claimed) {
      it->second->is_claimed = true;
      return it->second;
    }
    changed_.wait(lock);
  }
}

RecordPtr PackedObjects::claim_there(ObjectId id) {
  RecordPtr record = claim(id);
  if (!record) return nullptr;
  base::MutexLock lock(mutex_);
  if (!record->is_condemned) return record;
  record->is_claimed = false;
  changed_.notify_all();
  return nullptr;
}

void PackedObjects::unclaim(const RecordPtr& record) {
  base::MutexLock lock(mutex_);
  record->is_claimed = false;
  if (!record->is_there && !record->is_condemned) records_.erase(record->id);  // it had no manifest
  changed_.notify_all();
}

void PackedObjects::set_there(const RecordPtr& record, std::uint64_t manifest_bytes) {
  base::MutexLock lock(mutex_);
  record->is_there = true;
  manifest_bytes_ = manifest_bytes_ - record->manifest_bytes + manifest_bytes;
  record->manifest_bytes = manifest_bytes;
  record->is_claimed = false;
  changed_.notify_all();
}

void PackedObjects::condemn(const RecordPtr& record) {
  base::MutexLock lock(mutex_);
  record->is_condemned = true;
  record->is_claimed = false;
  changed_.notify_all();
}

bool PackedObjects::set_removed(const RecordPtr& record) {
  base::MutexLock lock(mutex_);
  record->is_removed = true;
  record->is_claimed = false;
  records_.erase(record->id);
  manifest_bytes_ -= record->manifest_bytes;
  if (record->holds > 0) doomed_.push_back(record);
  changed_.notify_all();
  return record->holds == 0;
}

RecordPtr PackedObjects::hold(ObjectId id) {
  base::MutexLock lock(mutex_);
  const auto it = records_.find(id);
  if (it == records_.end() || !it->second->is_there || it->second->is_condemned) return nullptr;
  ++it->second->holds;
  return it->second;
}

bool PackedObjects::release(const RecordPtr& record) {
  base::MutexLock lock(mutex_);
  AC_CHECK(record->holds > 0);
  --record->holds;
  if (record->holds > 0 || !record->is_removed) return false;
  std::erase(doomed_, record);
  return true;
}

std::vector<ObjectId> PackedObjects::condemned() const {
  base::MutexLock lock(mutex_);
  std::vector<ObjectId> out;
  for (const auto& [id, record] : records_) {
    if (record->is_condemned) out.push_back(id);
  }
  return out;
}

std::vector<RecordPtr> PackedObjects::hold_with_keys(std::span<const std::uint64_t> keys, std::size_t count) {
  std::vector<std::pair<std::size_t, RecordPtr>> found;
  base::MutexLock lock(mutex_);
  for (const auto& [id, record] : records_) {
    if (!record->is_there || record->is_condemned) continue;
    const auto same =
        std::ranges::count_if(record->keys, [&](std::uint64_t key) { return std::ranges::binary_search(keys, key); });
    if (same > 0) found.emplace_back(static_cast<std::size_t>(same), record);
  }
  // Of two with as many the older first: the newer may be a difference to it.
  std::ranges::sort(found, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second->id < b.second->id;
  });
  std::vector<RecordPtr> out;
  for (const auto& [same, record] : found) {
    if (out.size() == count) break;
    ++record->holds;
    out.push_back(record);
  }
  return out;
}

RecordPtr PackedObjects::find(ObjectId id) const {
  base::MutexLock lock(mutex_);
  const auto it = records_.find(id);
  return it == records_.end() || !it->second->is_there ? nullptr : it->second;
}

void PackedObjects::add_totals(PackedTotals& totals) const {
  base::MutexLock lock(mutex_);
  totals.stored_bytes += manifest_bytes_;
  for (const auto& [id, record] : records_) {
    if (!record->is_there) continue;
    ++totals.objects;
    totals.logical_bytes += record->size;
  }
}

std::uint64_t PackedObjects::manifest_bytes() const {
  base::MutexLock lock(mutex_);
  return manifest_bytes_;
}

void PackedObjects::check_invariants() const {
  base::MutexLock lock(mutex_);
  std::uint64_t bytes = 0;
  for (const auto& [id, record] : records_) {
    AC_CHECK(record->id == id && !record->is_removed);
    AC_CHECK(record->is_there || record->is_claimed || record->is_condemned);
    bytes += record->manifest_bytes;
  }
  AC_CHECK(bytes == manifest_bytes_);
  for (const RecordPtr& record : doomed_) AC_CHECK(record->is_removed && record->holds > 0);
}

std::uint64_t PackedObjects::manifest_bytes(ObjectId id) const {
  base::MutexLock lock(mutex_);
  const auto it = records_.find(id);
  return it == records_.end() ? 0 : it->second->manifest_bytes;
}

std::unordered_map<const Chunk*, std::uint32_t> PackedObjects::listings() const {
  base::MutexLock lock(mutex_);
  std::unordered_map<const Chunk*, std::uint32_t> out;
  const auto add = [&](const PackedRecord& record) {
    for (const Chunk* chunk : record.chunks) ++out[chunk];
  };
  for (const auto& [id, record] : records_) {
    if (record->is_there || record->is_condemned) add(*record);
  }
  for (const RecordPtr& record : doomed_) add(*record);
  return out;
}

}  // namespace arenacache::store
