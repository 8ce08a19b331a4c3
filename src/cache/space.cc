// SPDX-License-Identifier: Apache-2.0
#include "space.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"

namespace arenacache::cache {
namespace {

constexpr std::uint64_t kPage = 4 * base::kKiB;

policy::Key key_of(store::ObjectId id) { return policy::Key{store::to_number(id)}; }
store::ObjectId id_of(policy::Key key) { return store::ObjectId{static_cast<std::uint64_t>(key)}; }

std::optional<store::ObjectId> victim_of(const policy::EvictionPolicy& order) {
  const auto key = order.victim();
  if (!key) return std::nullopt;
  return id_of(*key);
}

}  // namespace

std::uint64_t footprint(std::uint64_t size) {
  const std::uint64_t data = (size + kPage - 1) / kPage * kPage;
  const std::uint64_t sidecar = (std::uint64_t{store::block_count(size)} * 9 + 2 * kPage - 1) / kPage * kPage;
  return data + sidecar + kPage;
}

Reservation::~Reservation() { space_->leave(id_); }

Space::Space(std::unique_ptr<policy::EvictionPolicy> main, std::unique_ptr<policy::EvictionPolicy> small)
    : main_(std::move(main)), small_(std::move(small)) {}

void Space::set_limits(SpaceLimits limits) {
  const base::MutexLock lock(mutex_);
  limits_ = limits;
}

void Space::set_disk(std::uint64_t free_bytes, std::uint64_t index_bytes, std::uint64_t allocated_bytes) {
  const base::MutexLock lock(mutex_);
  disk_free_ = free_bytes;
  index_bytes_ = index_bytes;
  allocated_bytes_ = allocated_bytes;
}

std::unique_ptr<Reservation> Space::enter(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  entries_.try_emplace(id);
  small_->add(key_of(id));
  return std::make_unique<Reservation>(shared_from_this(), id);
}

void Space::leave(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  count(it->second, false);
  order_of(it->second).remove(key_of(id));
  entries_.erase(it);
}

void Space::count(const Entry& entry, bool add) {
  const auto change = [&](std::uint64_t& sum) { sum = add ? sum + entry.bytes : sum - entry.bytes; };
  change(reserved_);
  if (entry.doomed) {
    change(doomed_);
    return;
  }
  if (entry.small) change(small_reserved_);
  if (entry.holds > 0) change(held_);
}

bool Space::fits(std::uint64_t bytes) const {
  if (reserved_ + index_bytes_ + bytes > limits_.capacity_bytes) return false;
  const std::uint64_t promised = reserved_ > allocated_bytes_ ? reserved_ - allocated_bytes_ : 0;
  const std::uint64_t needed = promised + bytes + limits_.keep_free_bytes;
  return disk_free_ >= needed;
}

std::uint64_t Space::evictable_bytes() const { return reserved_ - held_ - doomed_; }

std::string Space::refusal(std::uint64_t bytes) const {
  using base::format_size;
  if (bytes + index_bytes_ > limits_.capacity_bytes) {
    return base::text("it needs ", format_size(bytes), ", the capacity is ", format_size(limits_.capacity_bytes));
  }
  if (held_ + doomed_ + bytes + index_bytes_ > limits_.capacity_bytes) {
    return base::text("programs hold ", format_size(held_ + doomed_), " open or pinned, the capacity is ",
                      format_size(limits_.capacity_bytes));
  }
  return base::text("the store's disk has ", format_size(disk_free_), " free and must keep ",
                    format_size(limits_.keep_free_bytes));
}

ReserveAnswer Space::reserve(store::ObjectId id, std::uint64_t whole_bytes) {
  using Kind = ReserveAnswer::Kind;
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.doomed)
    return {.kind = Kind::refused, .victim = {}, .reason = "it was dropped"};
  Entry& entry = it->second;
  const std::uint64_t more = whole_bytes > entry.bytes ? whole_bytes - entry.bytes : 0;
  if (!fits(more)) {
    // Would it fit with everything evictable gone? Its own bytes are not for eviction.
    const std::uint64_t own = entry.holds == 0 ? entry.bytes : 0;
    const std::uint64_t gain = evictable_bytes() - own;
    const bool hopeless = reserved_ - gain + index_bytes_ + more > limits_.capacity_bytes;
    if (hopeless) return {.kind = Kind::refused, .victim = {}, .reason = refusal(whole_bytes)};
    auto victim = victim_of(*main_);
    if (!victim || *victim == id) victim = victim_of(*small_);
    if (!victim || *victim == id) return {.kind = Kind::refused, .victim = {}, .reason = refusal(whole_bytes)};
    return {.kind = Kind::evict, .victim = *victim, .reason = {}};
  }
  count(entry, false);
  order_of(entry).remove(key_of(id));
  entry.small = false;
  entry.bytes += more;
  main_->add(key_of(id));
  for (unsigned hold = 0; hold < entry.holds; ++hold) main_->hold(key_of(id));
  count(entry, true);
  return {.kind = Kind::granted, .victim = {}, .reason = {}};
}

bool Space::reserve_small(store::ObjectId id, std::uint64_t bytes) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.doomed) return false;
  if (!it->second.small) return true;  // its whole size is reserved
  if (small_reserved_ + bytes > limits_.small_bytes || !fits(bytes)) return false;
  count(it->second, false);
  it->second.bytes += bytes;
  count(it->second, true);
  return true;
}

void Space::adopt(store::ObjectId id, std::uint64_t bytes, bool small) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  count(it->second, false);
  order_of(it->second).remove(key_of(id));
  it->second.bytes = bytes;
  it->second.small = small;
  order_of(it->second).add(key_of(id));
  for (unsigned hold = 0; hold < it->second.holds; ++hold) order_of(it->second).hold(key_of(id));
  count(it->second, true);
}

void Space::doom(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.doomed) return;
  count(it->second, false);
  order_of(it->second).remove(key_of(id));
  it->second.doomed = true;
  count(it->second, true);
}

void Space::use(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it != entries_.end()) order_of(it->second).use(key_of(id));
}

void Space::hold(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  count(it->second, false);
  ++it->second.holds;
  count(it->second, true);
  order_of(it->second).hold(key_of(id));
}

void Space::release(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.holds == 0) return;
  count(it->second, false);
  --it->second.holds;
  count(it->second, true);
  order_of(it->second).release(key_of(id));
}

std::optional<store::ObjectId> Space::overflow_victim() const {
  const base::MutexLock lock(mutex_);
  const bool too_much = reserved_ + index_bytes_ > limits_.capacity_bytes + doomed_;
  if (!too_much && (disk_free_ >= limits_.keep_free_bytes || evictable_bytes() == 0)) return std::nullopt;
  if (auto victim = victim_of(*main_)) return victim;
  return victim_of(*small_);
}

std::optional<store::ObjectId> Space::small_victim() const {
  const base::MutexLock lock(mutex_);
  if (small_reserved_ <= limits_.small_bytes / 10 * 9) return std::nullopt;
  return victim_of(*small_);
}

SpaceNumbers Space::numbers() const {
  const base::MutexLock lock(mutex_);
  return {.limits = limits_,
          .reserved_bytes = reserved_,
          .small_bytes = small_reserved_,
          .held_bytes = held_,
          .doomed_bytes = doomed_};
}

void Space::check_invariants() const {
  const base::MutexLock lock(mutex_);
  std::uint64_t reserved = 0, small = 0, held = 0, doomed = 0;
  for (const auto& [id, entry] : entries_) {
    reserved += entry.bytes;
    if (entry.doomed) {
      doomed += entry.bytes;
      continue;
    }
    if (entry.small) small += entry.bytes;
    if (entry.holds > 0) held += entry.bytes;
  }
  AC_CHECK(reserved == reserved_ && small == small_reserved_ && held == held_ && doomed == doomed_);
}

}  // namespace arenacache::cache
