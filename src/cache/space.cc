// SPDX-License-Identifier: Apache-2.0
#include "space.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"

namespace arenacache::cache {
namespace {

constexpr std::uint64_t kPage = 4 * base::kKiB;
/// Of the index's log, before it is folded into the index: journal_size_limit.
constexpr std::uint64_t kMostLog = 4 * base::kMiB;

std::uint64_t in_pages(std::uint64_t size) { return (size + kPage - 1) / kPage * kPage; }

}  // namespace

std::uint64_t footprint(std::uint64_t size) {
  const std::uint64_t sidecar = (std::uint64_t{store::block_count(size)} * 9 + 2 * kPage - 1) / kPage * kPage;
  return in_pages(size) + sidecar + kPage;
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
  const auto [it, is_new] = entries_.try_emplace(id);
  if (is_new) {
    it->second.room = policy::Key{next_room_++};
    rooms_[it->second.room].objects = {id};
    small_->add(it->second.room);
  }
  return std::make_unique<Reservation>(shared_from_this(), id);
}

void Space::leave(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  leave_room(it);
  entries_.erase(it);
}

/// The last one takes the room with it.
void Space::leave_room(Entries::iterator it) {
  const Entry& entry = it->second;
  Room& room = rooms_.at(entry.room);
  count(room, false);
  std::erase(room.objects, it->first);
  if (entry.doomed) --room.doomed;
  room.holds -= entry.holds;
  auto& order = order_of(room);
  for (unsigned hold = 0; hold < entry.holds; ++hold) order.release(entry.room);
  if (room.objects.empty()) {
    order.remove(entry.room);
    rooms_.erase(entry.room);
    return;
  }
  if (room.is_doomed()) order.remove(entry.room);
  room.bytes -= entry.own_bytes;
  count(room, true);
}

void Space::count(const Room& room, bool add) {
  const auto change = [&](std::uint64_t& sum) { sum = add ? sum + room.bytes : sum - room.bytes; };
  change(reserved_);
  if (room.is_doomed()) {
    change(doomed_);
    if (room.holds == 0) change(coming_);
    return;
  }
  if (room.small) change(small_reserved_);
  if (room.holds > 0) change(held_);
}

/// Into the order, as used just now, with all its holds. What it counts for is the caller's.
void Space::move_room(policy::Key key, bool small) {
  Room& room = rooms_.at(key);
  order_of(room).remove(key);
  room.small = small;
  order_of(room).add(key);
  for (unsigned hold = 0; hold < room.holds; ++hold) order_of(room).hold(key);
}

std::optional<store::ObjectId> Space::victim_of(const policy::EvictionPolicy& order) const {
  auto key = order.victim();
  if (key && rooms_.at(*key).bytes == 0) {
    key.reset();
    order.visit_victims([&](policy::Key next) AC_NO_THREAD_SAFETY_ANALYSIS {
      if (rooms_.at(next).bytes > 0) key = next;
      return !key;
    });
  }
  if (!key) return std::nullopt;
  const auto& objects = rooms_.at(*key).objects;
  const auto is_there = [this](store::ObjectId id) AC_NO_THREAD_SAFETY_ANALYSIS { return !entries_.at(id).doomed; };
  const auto victim = std::ranges::find_if(objects, is_there);
  return victim == objects.end() ? std::nullopt : std::optional(*victim);
}

/// Somebody to go for what `room` is to have.
std::optional<store::ObjectId> Space::victim_beside(policy::Key room) const {
  for (const auto* order : {main_.get(), small_.get()}) {
    const auto victim = victim_of(*order);
    if (victim && entries_.at(*victim).room != room) return victim;
  }
  return std::nullopt;
}

/// What the index takes, and what it may grow by before somebody asks for room again.
std::uint64_t Space::index_room() const { return index_bytes_ + std::min(kMostLog, limits_.capacity_bytes / 32); }

bool Space::fits(std::uint64_t bytes, std::uint64_t coming) const {
  if (reserved_ - coming + index_room() + bytes > limits_.capacity_bytes) return false;
  const std::uint64_t promised = reserved_ > allocated_bytes_ ? reserved_ - allocated_bytes_ : 0;
  const std::uint64_t needed = promised + bytes + limits_.keep_free_bytes;
  return disk_free_ + std::min(coming, UINT64_MAX - disk_free_) >= needed;
}

std::uint64_t Space::evictable_bytes() const { return reserved_ - held_ - doomed_; }

std::string Space::refusal(std::uint64_t bytes) const {
  using base::format_size;
  if (bytes + index_room() > limits_.capacity_bytes) {
    return base::text("it needs ", format_size(bytes), ", the capacity is ", format_size(limits_.capacity_bytes));
  }
  if (held_ + doomed_ + bytes + index_room() > limits_.capacity_bytes) {
    return base::text("programs hold ", format_size(held_ + doomed_), " open or pinned, the capacity is ",
                      format_size(limits_.capacity_bytes));
  }
  return base::text("the store's disk has ", format_size(disk_free_), " free and must keep ",
                    format_size(limits_.keep_free_bytes));
}

ReserveAnswer Space::reserve(store::ObjectId id, std::uint64_t whole_bytes, bool patient) {
  using Kind = ReserveAnswer::Kind;
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.doomed)
    return {.kind = Kind::refused, .victim = {}, .reason = "it was dropped"};
  const policy::Key key = it->second.room;
  Room& room = rooms_.at(key);
  const std::uint64_t more = whole_bytes > room.bytes ? whole_bytes - room.bytes : 0;
  if (!fits(more)) {
    // Would it fit with everything evictable gone? Its own bytes are not for eviction.
    const std::uint64_t own = room.holds > 0 ? 0 : room.bytes;
    const std::uint64_t gain = evictable_bytes() - own;
    const std::uint64_t coming = patient ? coming_ : 0;
    if (coming > 0 && fits(more, coming)) return {.kind = Kind::coming, .victim = {}, .reason = {}};
    const bool hopeless = reserved_ - gain - coming + index_room() + more > limits_.capacity_bytes;
    const auto victim = hopeless ? std::nullopt : victim_beside(key);
    if (!victim) return {.kind = Kind::refused, .victim = {}, .reason = refusal(whole_bytes)};
    return {.kind = Kind::evict, .victim = *victim, .reason = {}};
  }
  count(room, false);
  it->second.own_bytes += more;
  room.bytes += more;
  move_room(key, false);
  count(room, true);
  return {.kind = Kind::granted, .victim = {}, .reason = {}};
}

bool Space::reserve_small(store::ObjectId id, std::uint64_t bytes) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.doomed) return false;
  Room& room = rooms_.at(it->second.room);
  if (!room.small) return true;  // its whole size is reserved
  if (small_reserved_ + bytes > limits_.small_bytes || !fits(bytes)) return false;
  count(room, false);
  it->second.own_bytes += bytes;
  room.bytes += bytes;
  count(room, true);
  return true;
}

void Space::adopt(store::ObjectId id, std::uint64_t bytes, bool small) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.doomed) return;
  Room& room = rooms_.at(it->second.room);
  count(room, false);
  room.bytes = room.bytes - it->second.own_bytes + bytes;
  it->second.own_bytes = bytes;
  move_room(it->second.room, small);
  count(room, true);
}

bool Space::share(store::ObjectId id, store::ObjectId with, std::uint64_t size) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  const auto other = entries_.find(with);
  if (it == entries_.end() || other == entries_.end() || it->second.doomed) return false;
  const policy::Key key = other->second.room;
  Room& room = rooms_.at(key);
  if (it->second.room == key) return true;
  if (room.is_doomed()) return false;
  leave_room(it);
  count(room, false);
  const std::uint64_t own = footprint(size) - in_pages(size);
  // The file is no longer that of the one object alone.
  if (room.objects.size() == 1) other->second.own_bytes = std::min(other->second.own_bytes, own);
  it->second.room = key;
  it->second.own_bytes = own;
  room.objects.push_back(id);
  room.bytes += own;
  room.holds += it->second.holds;
  move_room(key, false);
  count(room, true);
  return true;
}

void Space::doom(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.doomed) return;
  const policy::Key key = it->second.room;
  Room& room = rooms_.at(key);
  count(room, false);
  it->second.doomed = true;
  ++room.doomed;
  if (room.is_doomed()) order_of(room).remove(key);
  count(room, true);
}

void Space::use(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it != entries_.end()) order_of(rooms_.at(it->second.room)).use(it->second.room);
}

void Space::hold(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  Room& room = rooms_.at(it->second.room);
  count(room, false);
  ++it->second.holds;
  ++room.holds;
  count(room, true);
  order_of(room).hold(it->second.room);
}

void Space::release(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.holds == 0) return;
  Room& room = rooms_.at(it->second.room);
  count(room, false);
  --it->second.holds;
  --room.holds;
  count(room, true);
  order_of(room).release(it->second.room);
}

std::optional<store::ObjectId> Space::overflow_victim() const {
  const base::MutexLock lock(mutex_);
  const bool too_much = reserved_ + index_bytes_ > limits_.capacity_bytes + doomed_;
  if (!too_much && (disk_free_ >= limits_.keep_free_bytes || evictable_bytes() == 0)) return std::nullopt;
  if (auto victim = victim_of(*main_)) return victim;
  return victim_of(*small_);
}

std::vector<store::ObjectId> Space::next_victims(std::uint64_t bytes) const {
  std::vector<store::ObjectId> victims;
  const base::MutexLock lock(mutex_);
  std::uint64_t sum = 0;
  main_->visit_victims([&](policy::Key key) AC_NO_THREAD_SAFETY_ANALYSIS {
    if (sum >= bytes) return false;
    const Room& room = rooms_.at(key);
    victims.insert(victims.end(), room.objects.begin(), room.objects.end());
    sum += room.bytes;
    return true;
  });
  return victims;
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
  std::uint64_t reserved = 0, small = 0, held = 0, doomed = 0, coming = 0;
  std::size_t objects = 0;
  for (const auto& [key, room] : rooms_) {
    std::uint64_t own = 0;
    std::size_t dropped = 0;
    unsigned holds = 0;
    for (const store::ObjectId id : room.objects) {
      const Entry& entry = entries_.at(id);
      AC_CHECK(entry.room == key);
      own += entry.own_bytes;
      holds += entry.holds;
      if (entry.doomed) ++dropped;
    }
    objects += room.objects.size();
    AC_CHECK(own <= room.bytes && dropped == room.doomed && holds == room.holds);
    reserved += room.bytes;
    if (room.is_doomed()) {
      doomed += room.bytes;
      if (room.holds == 0) coming += room.bytes;
      continue;
    }
    if (room.small) small += room.bytes;
    if (room.holds > 0) held += room.bytes;
  }
  AC_CHECK(objects == entries_.size());
  AC_CHECK(reserved == reserved_ && small == small_reserved_ && held == held_ && doomed == doomed_ &&
           coming == coming_);
}

}  // namespace arenacache::cache
