// SPDX-License-Identifier: Apache-2.0
// Engine: the one public class of the cache: what vfs, control and predict see of it. A facade; the algorithms are beside it
// (object, read_path, copier, space, catalog).
// Promises: the origin is the truth: no call here ever makes a read wrong or a write late. A store that fails or is full is
// invisible but for time. Threads: any. What may block says so; everything else never waits for origin, SQLite or disk.
// Locks: docs/architecture.md, "Lock order".
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "arenacache/base/executor.h"
#include "arenacache/base/file_io.h"
#include "arenacache/base/memory_files.h"
#include "arenacache/base/page_cache.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/cache/types.h"

namespace arenacache::cache {

struct Core;
class EngineState;
class Object;

struct EngineDeps {
  base::Clock& clock;
  base::FileIo& io;
  base::Executor& background;  ///< runs store writes, commits, evictions
  base::PageCache& page_cache;
  /// Where packed files lie that were decoded into memory.
  std::shared_ptr<const base::MemoryFiles> memory_files = std::make_shared<const base::MemoryFiles>();
};

class Engine {
 public:
  /// Opens the store (folder, index, raw tier), takes stock of it, collects orphans. Blocks on the disk. ErrorKind::invalid
  /// with a sentence for the owner when the store cannot be used (locked, newer, not a store).
  static base::Result<std::unique_ptr<Engine>> create(const config::Config& config, const EngineDeps& deps);
  /// Stops fills, writes the index, marks a clean end. Readers must be gone. Blocks, in bounded time.
  ~Engine();

  /// Before start(), in the order of config.mounts.
  SourceId add_source(const config::MountConfig& mount, std::shared_ptr<origin::GuardedOrigin> guarded);
  /// Goes on with interrupted fills. Call once, after every source was added.
  void start();
  /// Ends background fills and writes out state; reads go on being served. Blocks in bounded time.
  void stop();
  /// Applies the options that may change while running (cache.*, fill.*, store.capacity, store.keep_free).
  void reload(const config::Config& config);

  // Reading.
  /// Where the file is that the store has of this version, for an open whose name was lost. Walks all objects.
  [[nodiscard]] std::optional<std::string> path_of(SourceId source, const origin::Version& version) const;
  /// Opens one version of a file for reading. Never blocks; an older version's object is dropped (doomed while held).
  std::shared_ptr<Reader> open(const OpenRequest& request);

  // Changing, told by vfs around each change of the origin. Each may block on the index (durable marks).
  /// A writer is about to open `file`: durable dirty mark if the store holds something of it.
  std::shared_ptr<Writer> open_for_writing(const FileRef& file);
  /// The data of `file` is about to change or go (truncate, unlink of its last name, rename over it).
  void before_data_change(const FileRef& file);
  /// The name is about to go while the file is open: gives its readers a descriptor of the origin's file. Blocks on the origin.
  void before_name_goes(const FileRef& file);
  /// A name (file or folder) is about to be moved. Keep what it returns until renamed() was told, or the origin refused. Where
  /// files are known by their paths: a durable mark of each one below, and what the store has at `to` goes.
  std::shared_ptr<NameMove> before_rename(SourceId source, const NamePair& names);
  /// A name was moved through the mount; `exchanged`: RENAME_EXCHANGE.
  void renamed(SourceId source, const std::string& from, const std::string& to, bool exchanged);
  /// Attributes changed through the mount and the data did not: what is cached under `before` now counts for `after`.
  void attributes_changed(const FileRef& before, const origin::Version& after);
  /// A writer's last handle is closed: for fill.on_write.
  void written(const FileRef& file);

  // Asked by the owner.
  [[nodiscard]] config::CacheMode mode() const;
  void set_mode(config::CacheMode mode);
  /// Starts a fill of `file`, admitted or not; true if it was queued, is running or is done already. With `ram`: starts to read a
  /// resident file into memory; prefetch_progress() tells of one that is not. May block on the store's disk, not on the origin.
  bool prefetch(const FileRef& file, PrefetchTarget target = PrefetchTarget::store);
  [[nodiscard]] PrefetchProgress prefetch_progress(SourceId source, const std::string& path,
                                                   PrefetchTarget target = PrefetchTarget::store) const;
  void pin(SourceId source, const std::string& path);
  void unpin(SourceId source, const std::string& path);
  /// Pinned paths of all mounts: (mount name, path).
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> pins() const;
  /// Starts `task` on the object of `path`; true if it was queued, is running or is done already. `tier`: for move. Blocks nobody.
  bool start_tier_task(SourceId source, const std::string& path, TierTask task, const std::string& tier = {});
  [[nodiscard]] TierProgress tier_progress(SourceId source, const std::string& path) const;
  /// Reads a sample of the file, from the store or the origin, and encodes it. Blocks on both, at most until `stop`; changes
  /// nothing.
  [[nodiscard]] base::Result<PackEstimate> estimate(const FileRef& file, const std::stop_token& stop = {}) const;
  /// "raw", and the packed tiers in their order; those that are away behind them.
  [[nodiscard]] std::vector<std::string> tier_names() const;
  /// Drops objects at `path` or below it; returns how many and how many bytes.
  std::pair<std::uint64_t, std::uint64_t> evict(SourceId source, const std::string& path);
  /// Objects at `path` or below it ("" = all), ordered by path.
  [[nodiscard]] std::vector<ObjectInfo> list(SourceId source, const std::string& path) const;
  [[nodiscard]] EngineStats stats() const;
  /// Begins to read all of the store again and to compare it with its checksums, or joins who asked for that before; the pass
  /// it will be is in the answer. Blocks nobody.
  ScrubState start_scrub();
  [[nodiscard]] ScrubState scrub_state() const;

  // Who is who.
  [[nodiscard]] std::size_t source_count() const;
  [[nodiscard]] const config::MountConfig& mount_of(SourceId source) const;
  [[nodiscard]] origin::GuardedOrigin& origin_of(SourceId source) const;

  // What folders held, kept for vfs from one life to the next. None of these blocks.
  /// What was kept of `source`; given once, after start().
  [[nodiscard]] std::vector<KnownListing> take_listings(SourceId source);
  /// Keeps a listing in place of the folder's last one. Without bytes the last one stays, and its time moves.
  void put_listing(SourceId source, KnownListing listing);
  /// Drops the listing of the folder at `path`; with `below`, those of all folders below it too.
  void remove_listings(SourceId source, const std::string& path, bool below);
  /// How many bytes of listings one source may keep.
  [[nodiscard]] std::uint64_t listing_budget() const;

  /// For tests: AC_CHECKs what must hold of every object and of the space between calls.
  void check_invariants() const;

  // Told by vfs, for stats.
  /// A file in the store's folder, gone when closed, to try on it what the kernel allows.
  [[nodiscard]] base::Result<base::UniqueFd> make_probe_file() const;
  void set_passthrough(SourceId source, PassthroughState state);
  /// False: the store returned wrong bytes or an error, and was not scrubbed since.
  [[nodiscard]] bool trusts_store() const;
  /// The kernel has had file `key`, of `size` bytes, from an earlier worker. Hold what is returned until it is given back: its
  /// bytes count that long. Null: it is not the store's. Ask for all of them before anything is opened.
  [[nodiscard]] std::shared_ptr<const void> hold_backing(BackingKey key, std::uint64_t size) const;
  /// vfs served an open at its last known version because the origin did not answer in time.
  void note_stale_open();

 private:
  explicit Engine(std::unique_ptr<EngineState> state);
  /// Starts what stands between the object and passthrough, before its readers would.
  void look_into(const std::shared_ptr<Object>& object);
  std::unique_ptr<EngineState> state_;
  Core& core_;
};

}  // namespace arenacache::cache
