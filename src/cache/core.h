// SPDX-License-Identifier: Apache-2.0
// Core: the parts of the engine and what they share. Engine is its facade; completions that come late hold it by shared_ptr.
// Threads: any. Lock order: Catalog > FillJob > Object > Space and other leaves; none is held across I/O or a completion.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/file_io.h"
#include "arenacache/cache/engine.h"
#include "arenacache/store/index.h"
#include "arenacache/store/layout.h"
#include "arenacache/store/raw_tier.h"
#include "catalog.h"
#include "checker.h"
#include "chunk_cache.h"
#include "committer.h"
#include "copier.h"
#include "counters.h"
#include "dedup.h"
#include "drops.h"
#include "evictor.h"
#include "fetcher.h"
#include "inflater.h"
#include "packer.h"
#include "ram.h"
#include "ram_files.h"
#include "read_ahead.h"
#include "scrubber.h"
#include "source.h"
#include "space.h"
#include "store_trust.h"
#include "tier.h"
#include "tier_room.h"
#include "tier_tasks.h"
#include "timer_queue.h"
#include "verifier.h"

namespace arenacache::cache {

struct Core : std::enable_shared_from_this<Core> {
  Core(EngineDeps deps, store::StoreFolder store_folder, std::shared_ptr<store::RawTier> raw_tier,
       std::unique_ptr<store::Index> store_index, std::shared_ptr<Space> its_space);

  base::Clock& clock;
  base::FileIo& io;
  base::Executor& background;
  base::PageCache& page_cache;
  const std::shared_ptr<const base::MemoryFiles> memory_files;
  const store::StoreFolder folder;
  const std::shared_ptr<store::RawTier> tier;
  std::vector<std::shared_ptr<Tier>> tiers;  ///< packed ones that could be opened, in their order; fixed once opened
  std::vector<AwayTier> away_tiers;  ///< packed ones that could not be opened; fixed once opened
  const std::unique_ptr<store::Index> index;
  const std::shared_ptr<Space> space;
  /// Why the store could not be opened: then nothing is cached, and every read goes to the origin. Empty: it is in use.
  std::string store_trouble;
  Counters counters;
  std::atomic<config::CacheMode> mode{
      config::CacheMode::active};  ///< as last switched, for all mounts; each has its own
  std::atomic<bool> stopping{false};
  StoreTrust trust;
  std::vector<std::shared_ptr<Source>> sources;  ///< fixed after start()

  Catalog catalog;
  Drops drops;
  Evictor evictor;
  Fetcher fetcher;
  Checker checker;
  Verifier verifier;
  Committer committer;
  Copier copier;
  TimerQueue timers;
  ReadAhead read_ahead;
  Scrubber scrubber;
  Dedup dedup;

  ChunkCache chunks;
  TierRoom tier_room;
  Packer packer;
  Inflater inflater;
  TierTasks tier_tasks;
  RamFiles ram_files;

  RamCount ram_count;

  /// The store returned what was not written, or an error: until it has been scrubbed what it holds is checked at each read, and
  /// the kernel is not given its files. Told to the log once.
  void distrust_store();
  /// A packed copy turned out damaged or cannot be read: counted, logged, gone; with the object, where there is nothing else.
  void packed_failed(const std::shared_ptr<Object>& object, const base::Error& error);
  /// The raw file of an object turned out damaged, or gone: out of service with the object. Where a packed tier has a copy that goes on
  /// as the object, and readers of this one read on from it. Never blocks on the index; opens the copy. False: it was dropped already.
  bool raw_failed(const std::shared_ptr<Object>& object);
  /// Asks the store's disk for a sector, now and then: where the kernel reads alone nobody else would hear of a disk that is gone.
  void probe_store();
  /// Counts up with each open, and each read that the daemon answers: what has not moved has nobody waiting.
  [[nodiscard]] std::uint64_t activity() const;
  /// Lifetime counters by name: those of earlier lives and this one's.
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> lifetime() const;
  std::map<std::string, std::uint64_t> earlier_lives;  ///< fixed once opened

  [[nodiscard]] const std::shared_ptr<Source>& source_of(SourceId id) const {
    return sources[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] bool is_filling(const Source& source) const {
    return source.mode.load() == config::CacheMode::active && !stopping.load() && store_trouble.empty();
  }
};

}  // namespace arenacache::cache
