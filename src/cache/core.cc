// SPDX-License-Identifier: Apache-2.0
#include "core.h"

#include <fcntl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"

namespace arenacache::cache {
namespace {

constexpr std::size_t kSectorBytes = 4096;

}  // namespace

Core::Core(EngineDeps deps, store::StoreFolder store_folder, std::shared_ptr<store::RawTier> raw_tier,
           std::unique_ptr<store::Index> store_index, std::shared_ptr<Space> its_space)
    : clock(deps.clock),
      io(deps.io),
      background(deps.background),
      page_cache(deps.page_cache),
      memory_files(std::move(deps.memory_files)),
      folder(std::move(store_folder)),
      tier(std::move(raw_tier)),
      index(std::move(store_index)),
      space(std::move(its_space)),
      catalog(*this),
      drops(*this),
      evictor(*this),
      fetcher(*this),
      checker(*this),
      verifier(*this),
      committer(*this),
      copier(*this),
      timers(clock, background),
      read_ahead(clock, io, deps.page_cache),
      scrubber(*this),
      dedup(*this),
      chunks(clock),
      tier_room(*this),
      packer(*this),
      inflater(*this),
      tier_tasks(*this),
      ram_files(*this, clock) {}

void Core::distrust_store() {
  if (!trust.lose()) return;
  base::log_warn("every read of the store is checked from now on (no passthrough) until it has been scrubbed");
  scrubber.trust_lost();
}

void Core::packed_failed(const std::shared_ptr<Object>& object, const base::Error& error) {
  counters.store_errors.add();
  if (error.kind == base::ErrorKind::corrupt) counters.checksum_errors.add();
  base::log_warn(base::text("object ", store::to_number(object->id), " loses its packed copy: ", error.what));
  tier_room.lose_copy(object);
}

bool Core::raw_failed(const std::shared_ptr<Object>& object) {
  std::optional<PackedPlace> packed;
  bool has_away = false;
  {
    const base::MutexLock lock(object->mutex);
    if (object->life == Life::resident) packed = object->packed;
    has_away = object->away.has_value();
  }
  if (!packed && !has_away) return catalog.drop(object);
  const auto fresh = catalog.make_successor(*object);
  if (!packed) fresh->reservation = space->enter(fresh->id);
  if (!catalog.replace(object, fresh, {.life = packed ? Life::packed : Life::filling})) return catalog.drop(object);
  if (!packed) return true;
  auto copy = open_packed(*packed);
  if (!copy) {
    packed_failed(fresh, copy.error());
    return true;
  }
  const base::MutexLock lock(object->mutex);
  if (object->readers > 0 && !object->packed_file) object->packed_file = std::move(*copy);
  return true;
}

void Core::probe_store() {
  if (!trust.holds() || !store_trouble.empty()) return;
  base::Buffer sector(kSectorBytes);
  const auto read = [&]() -> base::Result<std::size_t> {
    AC_ASSIGN(const auto fd, io.open(folder.version_path(), O_RDONLY | O_DIRECT, 0));
    return io.read_at(fd.get(), sector.span(), 0);
  };
  const auto got = read();
  // Other errors are of the file, which anybody may delete, or of a file system that does not read past the page cache.
  if (got || got.error().errno_value != EIO) return;
  counters.store_errors.add();
  base::log_error(base::text("the store's disk fails: ", got.error().what));
  distrust_store();
}

std::uint64_t Core::activity() const {
  return counters.reads_hit.value() + counters.reads_miss.value() + counters.opens_total.value();
}

std::vector<std::pair<std::string, std::uint64_t>> Core::lifetime() const {
  std::vector<std::pair<std::string, std::uint64_t>> sums;
  for (const auto& [name, field] : kLifetimeCounters) {
    const auto earlier = earlier_lives.find(std::string(name));
    const std::uint64_t before = earlier == earlier_lives.end() ? 0 : earlier->second;
    sums.emplace_back(name, before + (counters.*field).value());
  }
  return sums;
}

}  // namespace arenacache::cache
