// SPDX-License-Identifier: Apache-2.0
// The raw tier's bookkeeping: who holds what, and what it takes. No I/O here.
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/raw_tier.h"
#include "raw_hold.h"

namespace arenacache::store {

namespace {

constexpr std::uint64_t kSidecarBlockBytes = 4096;

/// What the sidecar of an object known from the index alone takes, near enough: its size is not in the index.
std::uint64_t estimated_sidecar_bytes(std::uint64_t data_bytes) {
  const std::uint64_t bytes = std::uint64_t{block_count(data_bytes)} * (sizeof(std::uint64_t) + 1);
  return (bytes / kSidecarBlockBytes + 1) * kSidecarBlockBytes;
}

}  // namespace

void RawTier::account(ObjectId id, std::uint64_t allocated_bytes) {
  base::MutexLock lock(mutex_);
  Entry& entry = entry_locked(id);
  set_on_disk_locked(entry, true);
  resize_data_locked(*entry.data, allocated_bytes);
  resize_sidecar_locked(entry, estimated_sidecar_bytes(allocated_bytes));
}

std::shared_ptr<const void> RawTier::hold_for_kernel(ObjectId id, std::uint64_t bytes) {
  auto hold = std::make_shared<const Hold>(*this, id);
  base::MutexLock lock(mutex_);
  Entry& entry = entry_locked(id);
  if (!entry.is_on_disk && entry.data->bytes == 0) resize_data_locked(*entry.data, bytes);
  return hold;
}

std::uint64_t RawTier::used_bytes() const {
  base::MutexLock lock(mutex_);
  return used_bytes_;
}

std::uint64_t RawTier::doomed_bytes() const {
  base::MutexLock lock(mutex_);
  return doomed_bytes_;
}

std::uint64_t RawTier::shared_bytes() const {
  base::MutexLock lock(mutex_);
  return shared_bytes_;
}

std::uint64_t RawTier::allocated_bytes(ObjectId id) const {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  return it == entries_.end() ? 0 : it->second.data->bytes;
}

unsigned RawTier::sharers(ObjectId id) const {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  return it == entries_.end() ? 0 : it->second.data->names;
}

ObjectId RawTier::data_of(ObjectId id) const {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  return it == entries_.end() ? id : it->second.data->first;
}

void RawTier::check_invariants() const {
  struct Names {
    std::uint32_t on_disk = 0;
    std::uint32_t all = 0;
  };
  base::MutexLock lock(mutex_);
  std::uint64_t used = 0;
  std::uint64_t doomed = 0;
  std::unordered_map<const Data*, Names> files;
  for (const auto& [id, entry] : entries_) {
    AC_CHECK(entry.is_on_disk || entry.holds > 0);
    used += entry.sidecar_bytes;
    if (!entry.is_on_disk) doomed += entry.sidecar_bytes;
    Names& names = files[entry.data.get()];
    ++names.all;
    if (entry.is_on_disk) ++names.on_disk;
  }
  std::uint64_t shared = 0;
  for (const auto& [data, names] : files) {
    AC_CHECK(data->names == names.on_disk);
    AC_CHECK(names.all == 1 || data->is_resident);
    used += data->bytes;
    if (names.on_disk == 0) doomed += data->bytes;
    if (names.on_disk > 1) shared += data->bytes * (names.on_disk - 1);
  }
  AC_CHECK(used == used_bytes_);
  AC_CHECK(doomed == doomed_bytes_);
  AC_CHECK(shared == shared_bytes_);
}

void RawTier::hold(ObjectId id) {
  base::MutexLock lock(mutex_);
  ++entry_locked(id).holds;
}

void RawTier::release(ObjectId id) {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  AC_CHECK(it != entries_.end() && it->second.holds > 0);
  --it->second.holds;
  erase_if_done_locked(it);
}

void RawTier::join(ObjectId id, ObjectId with) {
  base::MutexLock lock(mutex_);
  const std::shared_ptr<Data> data = entry_locked(with).data;
  data->is_resident = true;
  set_data_locked(entry_locked(id), data);
}

void RawTier::set_on_disk(ObjectId id) {
  base::MutexLock lock(mutex_);
  set_on_disk_locked(entry_locked(id), true);
}

/// A held data file stays on disk without a name; its sidecar is gone.
void RawTier::set_gone(ObjectId id) {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  resize_sidecar_locked(it->second, 0);
  set_on_disk_locked(it->second, false);
  erase_if_done_locked(it);
}

void RawTier::set_data_bytes(ObjectId id, std::uint64_t bytes) {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it != entries_.end()) resize_data_locked(*it->second.data, bytes);
}

void RawTier::set_sidecar(ObjectId id, std::uint64_t bytes, bool is_resident) {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  resize_sidecar_locked(it->second, (bytes / kSidecarBlockBytes + 1) * kSidecarBlockBytes);
  Data& data = *it->second.data;
  data.is_resident = data.is_resident || is_resident;
}

void RawTier::set_lost_write(ObjectId id) {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it != entries_.end()) it->second.has_lost_write = true;
}

bool RawTier::is_held(ObjectId id) const {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  return it != entries_.end() && it->second.holds > 0;
}

bool RawTier::is_resident(ObjectId id) const {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  return it != entries_.end() && it->second.data->is_resident;
}

bool RawTier::has_lost_write(ObjectId id) const {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  return it != entries_.end() && it->second.has_lost_write;
}

RawTier::Entry& RawTier::entry_locked(ObjectId id) {
  const auto [it, is_new] = entries_.try_emplace(id);
  if (is_new) it->second.data = std::make_shared<Data>(Data{.first = id});
  return it->second;
}

void RawTier::count_locked(const Data& data, bool add) {
  const auto change = [&](std::uint64_t& sum, std::uint64_t bytes) { sum = add ? sum + bytes : sum - bytes; };
  change(used_bytes_, data.bytes);
  if (data.names == 0) change(doomed_bytes_, data.bytes);
  if (data.names > 1) change(shared_bytes_, data.bytes * (data.names - 1));
}

void RawTier::resize_data_locked(Data& data, std::uint64_t bytes) {
  count_locked(data, false);
  data.bytes = bytes;
  count_locked(data, true);
}

void RawTier::resize_sidecar_locked(Entry& entry, std::uint64_t bytes) {
  used_bytes_ = used_bytes_ - entry.sidecar_bytes + bytes;
  if (!entry.is_on_disk) doomed_bytes_ = doomed_bytes_ - entry.sidecar_bytes + bytes;
  entry.sidecar_bytes = bytes;
}

void RawTier::set_on_disk_locked(Entry& entry, bool is_on_disk) {
  if (entry.is_on_disk == is_on_disk) return;
  const std::uint64_t sidecar_bytes = entry.sidecar_bytes;
  resize_sidecar_locked(entry, 0);
  entry.is_on_disk = is_on_disk;
  resize_sidecar_locked(entry, sidecar_bytes);
  count_locked(*entry.data, false);
  entry.data->names = is_on_disk ? entry.data->names + 1 : entry.data->names - 1;
  count_locked(*entry.data, true);
}

void RawTier::set_data_locked(Entry& entry, std::shared_ptr<Data> data) {
  if (entry.data == data) return;
  const bool was_on_disk = entry.is_on_disk;
  set_on_disk_locked(entry, false);
  if (entry.data.use_count() == 1) resize_data_locked(*entry.data, 0);
  entry.data = std::move(data);
  set_on_disk_locked(entry, was_on_disk);
}

void RawTier::erase_if_done_locked(Entries::iterator it) {
  if (it->second.is_on_disk || it->second.holds > 0) return;
  resize_sidecar_locked(it->second, 0);
  // Only entries have it, under the lock: the last one counts it out.
  if (it->second.data.use_count() == 1) resize_data_locked(*it->second.data, 0);
  entries_.erase(it);
}

}  // namespace arenacache::store
