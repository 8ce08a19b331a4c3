// SPDX-License-Identifier: Apache-2.0
// The raw tier's bookkeeping: who holds what, and what it takes. No I/O here.
#include <cstdint>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/raw_tier.h"

namespace arenacache::store {

namespace {

constexpr std::uint64_t kDiskBlockBytes = 4096;

/// What the sidecar of an object known from the index alone takes, near enough: its size is not in the index.
std::uint64_t estimated_sidecar_bytes(std::uint64_t data_bytes) {
  const std::uint64_t bytes = std::uint64_t{block_count(data_bytes)} * (sizeof(std::uint64_t) + 1);
  return (bytes / kDiskBlockBytes + 1) * kDiskBlockBytes;
}

}  // namespace

void RawTier::account(ObjectId id, std::uint64_t allocated_bytes) {
  base::MutexLock lock(mutex_);
  Entry& entry = entries_[id];
  if (!entry.is_on_disk) doomed_bytes_ -= entry.bytes();
  entry.is_on_disk = true;
  resize_locked(entry, allocated_bytes, estimated_sidecar_bytes(allocated_bytes));
}

std::uint64_t RawTier::used_bytes() const {
  base::MutexLock lock(mutex_);
  return used_bytes_;
}

std::uint64_t RawTier::doomed_bytes() const {
  base::MutexLock lock(mutex_);
  return doomed_bytes_;
}

std::uint64_t RawTier::allocated_bytes(ObjectId id) const {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  return it == entries_.end() ? 0 : it->second.data_bytes;
}

void RawTier::check_invariants() const {
  base::MutexLock lock(mutex_);
  std::uint64_t used = 0;
  std::uint64_t doomed = 0;
  for (const auto& [id, entry] : entries_) {
    AC_CHECK(entry.is_on_disk || entry.holds > 0);
    used += entry.bytes();
    if (!entry.is_on_disk) doomed += entry.bytes();
  }
  AC_CHECK(used == used_bytes_);
  AC_CHECK(doomed == doomed_bytes_);
}

void RawTier::hold(ObjectId id) {
  base::MutexLock lock(mutex_);
  ++entries_[id].holds;
}

void RawTier::release(ObjectId id) {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  AC_CHECK(it != entries_.end() && it->second.holds > 0);
  --it->second.holds;
  erase_if_done_locked(it);
}

void RawTier::set_on_disk(ObjectId id) {
  base::MutexLock lock(mutex_);
  Entry& entry = entries_[id];
  if (!entry.is_on_disk) doomed_bytes_ -= entry.bytes();
  entry.is_on_disk = true;
}

/// A held data file stays on disk without a name; its sidecar is gone.
void RawTier::set_gone(ObjectId id) {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  Entry& entry = it->second;
  resize_locked(entry, entry.data_bytes, 0);
  if (entry.is_on_disk) doomed_bytes_ += entry.bytes();
  entry.is_on_disk = false;
  erase_if_done_locked(it);
}

void RawTier::set_data_bytes(ObjectId id, std::uint64_t bytes) {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it != entries_.end()) resize_locked(it->second, bytes, it->second.sidecar_bytes);
}

void RawTier::set_sidecar(ObjectId id, std::uint64_t bytes, bool is_resident) {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  resize_locked(it->second, it->second.data_bytes, (bytes / kDiskBlockBytes + 1) * kDiskBlockBytes);
  it->second.is_resident = it->second.is_resident || is_resident;
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
  return it != entries_.end() && it->second.is_resident;
}

bool RawTier::has_lost_write(ObjectId id) const {
  base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  return it != entries_.end() && it->second.has_lost_write;
}

void RawTier::resize_locked(Entry& entry, std::uint64_t data_bytes, std::uint64_t sidecar_bytes) {
  const std::uint64_t before = entry.bytes();
  entry.data_bytes = data_bytes;
  entry.sidecar_bytes = sidecar_bytes;
  used_bytes_ = used_bytes_ - before + entry.bytes();
  if (!entry.is_on_disk) doomed_bytes_ = doomed_bytes_ - before + entry.bytes();
}

void RawTier::erase_if_done_locked(Entries::iterator it) {
  if (it->second.is_on_disk || it->second.holds > 0) return;
  resize_locked(it->second, 0, 0);
  entries_.erase(it);
}

}  // namespace arenacache::store
