// SPDX-License-Identifier: Apache-2.0
#include "dedup.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "arenacache/base/io_priority.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "core.h"
#include "packing_turn.h"

namespace arenacache::cache {
namespace {

using base::ErrorKind;

/// Less is not worth the links.
constexpr std::uint64_t kLeastBytes = 64 * base::kKiB;
/// Between two blocks while programs read or files are copied: 20 MB a second of each.
constexpr base::Duration kSharingPause = std::chrono::milliseconds(50);

std::unexpected<base::Error> dropped_or_held() {
  return base::fail(ErrorKind::cancelled, EINTR, "it was dropped or is held");
}

/// It says something of the file's bytes; others (no memory, too many open files) say nothing.
bool is_of_the_copy(const base::Error& error) { return error.kind == ErrorKind::corrupt || error.errno_value == EIO; }

bool has_no_links(const base::Error& error) {
  constexpr std::array kErrors = {EPERM, EACCES, EOPNOTSUPP, ENOSYS, EXDEV};
  return std::ranges::find(kErrors, error.errno_value) != kErrors.end();
}

bool is_resident(Object& object) {
  const base::MutexLock lock(object.mutex);
  return object.life == Life::resident;
}

/// Nobody reads or changes it, so that another one may take its place.
bool is_free(Object& object) {
  const base::MutexLock lock(object.mutex);
  return object.life == Life::resident && object.readers == 0 && object.is_settled() && !object.is_packing;
}

/// As it is in memory, or by the sidecar.
base::Result<store::BlockMap> map_of(Core& core, Object& object) {
  {
    const base::MutexLock lock(object.mutex);
    if (object.is_dropped()) return dropped_or_held();
    if (object.has_map) return object.blocks;
  }
  AC_ASSIGN(auto sidecar, core.tier->read_sidecar(object.id));
  const base::MutexLock lock(object.mutex);
  if (!object.is_described_by(sidecar))
    return base::fail(ErrorKind::corrupt, EIO, "its sidecar speaks of another file");
  return std::move(sidecar.blocks);
}

}  // namespace

struct Dedup::Side {
  ObjectPtr object;
  store::BlockMap map;
  store::RawCheck check;
};

void Dedup::start() {
  const base::MutexLock lock(mutex_);
  if (stopped_ || thread_.joinable() || !core_.store_trouble.empty()) return;
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "dedup");
    run();
  });
}

void Dedup::stop() {
  {
    const base::MutexLock lock(mutex_);
    stopped_ = true;
    due_.clear();
    waiting_.clear();
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Dedup::became_resident(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  if (stopped_) return;
  due_.push_back(id);
  wake_.notify_all();
}

void Dedup::look() {
  const base::MutexLock lock(mutex_);
  if (stopped_) return;
  all_due_ = all_due_ || !std::exchange(has_looked_, true);
  due_.insert(due_.end(), waiting_.begin(), waiting_.end());
  waiting_.clear();
  if (all_due_ || !due_.empty()) wake_.notify_all();
}

std::uint64_t Dedup::due() const {
  const base::MutexLock lock(mutex_);
  return due_.size() + (is_busy_ ? 1 : 0);
}

void Dedup::run() {
  base::use_idle_io_priority();
  base::use_idle_cpu_priority();
  base::MutexLock lock(mutex_);
  while (!stopped_) {
    std::optional<store::ObjectId> next;
    const bool is_all = std::exchange(all_due_, false);
    if (!is_all && !due_.empty()) {
      next = due_.front();
      due_.pop_front();
    }
    is_busy_ = is_all || next;
    if (!is_busy_) {
      wake_.wait(lock);
      continue;
    }
    lock.unlock();
    if (next) look_at(*next);
    if (is_all) look_at_all();
    lock.lock();
    is_busy_ = false;
  }
}

/// What is alone with its size is like no other.
void Dedup::look_at_all() {
  std::vector<std::pair<std::uint64_t, store::ObjectId>> all;
  for (const auto& object : core_.catalog.all()) {
    if (object->size >= kLeastBytes && is_resident(*object)) all.emplace_back(object->size, object->id);
  }
  std::ranges::sort(all);
  by_size_.clear();
  std::vector<store::ObjectId> due;
  for (const auto& [size, id] : all) {
    auto& peers = by_size_[size];
    peers.push_back({.id = id, .fingerprint = {}});
    if (peers.size() > 1) due.push_back(id);
  }
  const base::MutexLock lock(mutex_);
  if (!stopped_) due_.insert(due_.end(), due.begin(), due.end());
}

void Dedup::look_at(store::ObjectId id) {
  const auto object = core_.catalog.find_id(id);
  if (!object) std::erase_if(equal_, [id](const Pair& pair) { return pair.first == id || pair.second == id; });
  if (!can_link_ || !object || object->size < kLeastBytes || !is_resident(*object)) return;
  for (const store::ObjectId one : find_alike(*object)) {
    const auto other = core_.catalog.find_id(one);
    const Outcome outcome = other ? try_share(object, other) : Outcome::failed;
    if (outcome == Outcome::shared) return;
    if (outcome != Outcome::later) continue;
    const base::MutexLock lock(mutex_);
    if (!stopped_) waiting_.insert(id);
    return;
  }
}

std::vector<store::ObjectId> Dedup::find_alike(const Object& object) {
  auto& peers = by_size_[object.size];
  std::erase_if(peers, [&](const Peer& peer) { return !core_.catalog.find_id(peer.id); });
  if (std::ranges::find(peers, object.id, &Peer::id) == peers.end())
    peers.push_back({.id = object.id, .fingerprint = {}});
  std::vector<store::ObjectId> alike;
  if (peers.size() == 1) return alike;
  const auto print = fingerprint(*std::ranges::find(peers, object.id, &Peer::id));
  if (!print) return alike;
  for (Peer& peer : peers) {
    if (peer.id != object.id && fingerprint(peer) == print) alike.push_back(peer.id);
  }
  return alike;
}

std::optional<base::Hash128> Dedup::fingerprint(Peer& peer) {
  if (peer.fingerprint) return peer.fingerprint;
  const auto object = core_.catalog.find_id(peer.id);
  if (!object || !is_resident(*object)) return std::nullopt;
  const auto map = map_of(core_, *object);
  if (map) peer.fingerprint = map->fingerprint();
  return peer.fingerprint;
}

Dedup::Outcome Dedup::try_share(const ObjectPtr& object, const ObjectPtr& other) {
  if (core_.tier->data_of(object->id) == core_.tier->data_of(other->id)) return Outcome::shared;
  // The later one gives way, if it can; the other one only if its room is then free.
  ObjectPtr goes = object, stays = other;
  if (!is_free(*goes)) std::swap(goes, stays);
  if (!is_free(*goes) || !is_resident(*stays)) return Outcome::later;
  if (core_.tier->sharers(goes->id) > 1) return Outcome::later;
  const Pair pair = std::minmax(object->id, other->id);
  if (!equal_.contains(pair)) {
    const auto same = compare(object, other);
    if (!same) return Outcome::failed;
    if (!*same) return Outcome::differ;
    equal_.insert(pair);
  }
  const Outcome outcome = replace(goes, stays);
  if (outcome != Outcome::later) equal_.erase(pair);
  return outcome;
}

base::Result<Dedup::Side> Dedup::open_side(const ObjectPtr& object) {
  AC_ASSIGN(auto map, map_of(core_, *object));
  AC_ASSIGN(auto check, store::RawCheck::open(*core_.tier, object->id, object->size));
  return Side{.object = object, .map = std::move(map), .check = std::move(check)};
}

base::Result<void> Dedup::check(Side& side, store::BlockIndex block) {
  {
    const base::MutexLock lock(side.object->mutex);
    if (side.object->life != Life::resident) return dropped_or_held();
  }
  auto checked = side.check.check(block, side.map.checksum(block));
  if (!checked && is_of_the_copy(checked.error())) core_.committer.store_failed(side.object, checked.error());
  return checked;
}

base::Result<bool> Dedup::compare(const ObjectPtr& one, const ObjectPtr& other) {
  AC_ASSIGN(Side left, open_side(one));
  AC_ASSIGN(Side right, open_side(other));
  for (store::BlockIndex block = 0; block < left.map.size_blocks(); ++block) {
    const base::TimePoint began = core_.clock.now();
    AC_TRY(check(left, block));
    AC_TRY(check(right, block));
    if (!std::ranges::equal(left.check.bytes(), right.check.bytes())) return false;
    if (!go_on(core_.clock.now() - began)) return dropped_or_held();
  }
  return true;
}

Dedup::Outcome Dedup::replace(const ObjectPtr& object, const ObjectPtr& kept) {
  const auto turn = PackingTurn::try_for(object);
  if (!turn.is_ours()) return Outcome::later;
  const auto fresh = core_.catalog.make_successor(*object);
  fresh->reservation = core_.space->enter(fresh->id);
  const SpaceHold hold(core_.space, fresh->id);
  const auto done = make_link(object, kept, fresh);
  if (done) {
    base::log_debug(base::text("object ", store::to_number(fresh->id), " shares the file of object ",
                               store::to_number(kept->id), " in the place of object ", store::to_number(object->id)));
    became_resident(fresh->id);  // so that the next one that is alike finds it
    return Outcome::shared;
  }
  {
    const base::MutexLock lock(fresh->mutex);
    fresh->set_life(Life::dropped);
  }
  if (auto removed = core_.tier->remove(fresh->id); !removed) base::log_warn(removed.error().what);
  if (done.error().kind == ErrorKind::cancelled) return Outcome::later;
  if (has_no_links(done.error())) can_link_ = false;
  base::log_info(base::text("two equal files of the store stay two: ", done.error().what));
  return Outcome::failed;
}

/// As a new object is made: bytes (they are there), sidecar, row; and then the old one goes.
base::Result<void> Dedup::make_link(const ObjectPtr& object, const ObjectPtr& kept, const ObjectPtr& fresh) {
  store::Sidecar sidecar{.id = fresh->id, .origin = {}, .resident = true, .blocks = {}};
  AC_ASSIGN(sidecar.blocks, map_of(core_, *object));
  for (store::BlockIndex block = 0; block < sidecar.blocks.size_blocks(); ++block) sidecar.blocks.set_verified(block);
  if (!core_.space->share(fresh->id, kept->id, fresh->size)) return dropped_or_held();
  AC_ASSIGN(const auto file, core_.tier->link(kept->id, fresh->id));  // held until the catalog knows whose it is
  AC_TRY(file->expect_size(fresh->size));
  {
    const base::MutexLock lock(fresh->mutex);
    sidecar.origin = fresh->describe();
  }
  AC_TRY(core_.tier->write_sidecar(sidecar));
  AC_ASSIGN(const std::uint64_t allocated, file->refresh_allocated());
  {
    const base::MutexLock lock(fresh->mutex);
    fresh->blocks = std::move(sidecar.blocks);
    fresh->allocated_bytes = allocated;
  }
  if (!core_.catalog.replace(object, fresh, {.life = Life::resident, .held_too = false})) return dropped_or_held();
  return {};
}

bool Dedup::go_on(base::Duration took) {
  const std::uint64_t before = std::exchange(activity_, core_.activity());
  const bool is_active = before != activity_ || core_.copier.fills().active > 0 || core_.read_ahead.is_reading();
  const base::TimePoint until = core_.clock.now() + (is_active ? std::max(took, kSharingPause) : took);
  base::MutexLock lock(mutex_);
  while (!stopped_ && core_.clock.now() < until) core_.clock.wait_until(lock, wake_, until);
  return !stopped_;
}

}  // namespace arenacache::cache
