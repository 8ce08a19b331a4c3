// SPDX-License-Identifier: Apache-2.0
#include "object.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/policy/admission_policy.h"

namespace arenacache::cache {

bool is_legal(Life from, Life to) {
  switch (from) {
    case Life::filling:
      return to == Life::resident || to == Life::packed || to == Life::dropped;
    case Life::resident:
    case Life::packed:
      return to == Life::dropped;
    case Life::dropped:
      return false;
  }
  return false;
}

Object::Object(store::ObjectId object_id, std::shared_ptr<Source> its_source, ObjectKey its_key,
               const FileRef& file_ref, base::TimePoint now)
    : id(object_id),
      source(std::move(its_source)),
      size(file_ref.version.size),
      key(std::move(its_key)),
      path(file_ref.path),
      version(file_ref.version),
      first_seen(now),
      blocks(file_ref.version.size) {}

bool Object::has_raw() const { return has_map ? blocks.present_blocks() > 0 : true; }

bool Object::is_complete() const {
  if (life == Life::packed) return true;
  return has_map ? blocks.is_complete() : was_complete;
}

bool Object::is_settled() const {
  const bool is_whole = life == Life::resident || life == Life::packed;
  const bool is_trusted = trust == Trust::trusted && !full_check_due && !must_verify && !refuted;
  return is_whole && is_trusted && writers == 0 && moves == 0;
}

std::uint64_t Object::cached_bytes() const {
  if (is_complete()) return size;
  if (!has_map) return std::min(size, allocated_bytes);
  return std::min(size, std::uint64_t{blocks.present_blocks()} * store::kBlockBytes);
}

store::ObjectOrigin Object::describe() const {
  return {.source = source->name,
          .path = path,
          .file_system_id = key.file_system_id,
          .inode = key.inode,
          .size = size,
          .mtime_ns = version.mtime_ns,
          .ctime_ns = version.ctime_ns};
}

void Object::doubt() {
  if (has_bytes() && trust == Trust::trusted) trust = Trust::unchecked;
  if (away) away->needs_check = true;
}

store::IndexRow Object::row() const {
  std::string tier;
  store::ObjectId copy{};
  if (packed) {
    tier = packed->tier->name;
    copy = packed->id;
  } else if (away) {
    tier = away->tier;
    copy = away->id;
  }
  return {.id = id,
          .origin = describe(),
          .resident = life == Life::resident,
          .dirty = writers + moves > 0,
          .needs_check = trust != Trust::trusted || full_check_due || (away && away->needs_check),
          .allocated_bytes = allocated_bytes,
          .last_use_ns = last_use.time_since_epoch().count(),
          .uses = uses,
          .read_percent = static_cast<std::uint8_t>(std::lround(read_fraction * 100)),
          .load_habit = load_habit,
          .packed_tier = std::move(tier),
          .packed_id = copy};
}

bool Object::is_described_by(const store::Sidecar& sidecar) const {
  // Not the times and the name: those of an object that was not opened since they changed are in its row alone.
  const bool is_same_file = sidecar.origin.size == size && sidecar.origin.inode == key.inode &&
                            sidecar.origin.file_system_id == key.file_system_id;
  const bool has_all = life != Life::resident || sidecar.resident;
  return is_same_file && has_all;
}

std::shared_ptr<store::RawFile> Object::take_idle_file() {
  if (readers > 0 || admitted || !flights.empty() || checkpoint_due || commit_scheduled || !has_raw()) return nullptr;
  return std::exchange(file, nullptr);
}

void Object::note_load(double fraction) {
  constexpr double kNearlyAll = 0.9;
  constexpr std::uint8_t kSure = 3;
  const std::uint8_t before = load_habit;
  load_habit = fraction >= kNearlyAll ? kSure : static_cast<std::uint8_t>(std::max(0, load_habit - 1));
  row_due = row_due || load_habit != before;
}

void Object::set_life(Life to) {
  AC_CHECK(is_legal(life, to));
  life = to;
}

std::size_t Object::note_use(base::WallTime now) {
  constexpr auto kDay = std::chrono::hours(24);
  constexpr std::size_t kMost = 100;
  last_use = now;
  ++uses;
  row_due = true;
  std::erase_if(recent_uses, [&](base::WallTime use) { return use > now || now - use > kDay; });
  if (recent_uses.size() == kMost) recent_uses.erase(recent_uses.begin());
  recent_uses.push_back(now);
  return recent_uses.size();
}

bool Object::note_read(store::BlockIndex first, store::BlockIndex last) {
  const store::BlockIndex count = store::block_count(size);
  if (touched.empty()) touched.resize(count);
  for (store::BlockIndex block = first; block <= last && block < count; ++block) {
    if (touched[block]) continue;
    touched[block] = true;
    ++touched_blocks;
    if (policy::AdmissionPolicy::is_middle(block, count)) ++touched_middle;
  }
  return policy::AdmissionPolicy::is_load(
      {.object_blocks = count, .touched_blocks = touched_blocks, .touched_middle = touched_middle});
}

void Object::check_invariants() const {
  if (has_map) blocks.check_invariants();
  AC_CHECK(life != Life::resident || is_complete());
  AC_CHECK(life != Life::packed || (packed && !has_raw()));
  AC_CHECK(!packed || (packed->tier && !away));
  AC_CHECK(trust == Trust::checking || waiting_for_trust.empty());
  for (const auto& [block, flight] : flights) {
    AC_CHECK(flight->covers(block));
    AC_CHECK(!flight->landed || (flight->bytes && flight->waiters.empty()));
  }
}

}  // namespace arenacache::cache
