// SPDX-License-Identifier: Apache-2.0
// Index: one row an object, in SQLite (WAL), written by one thread of its own in batches; it can be rebuilt from sidecars.
// Promises: no caller waits for SQLite unless it asks to (sync(), open, load); rows queued in order become durable in order.
// put() of an object is called after the data it speaks of is synced; sync() or after_durable() stands between remove() and
// the unlinking of files, and before the origin is written. An index that is corrupt or of an older format is set aside and
// reported, never fatal.
// Threads: any. Locks: one mutex for the queue. Never: knows what a row means to the cache.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/sidecar.h"

namespace arenacache::store {

struct IndexRow {
  ObjectId id{};
  ObjectOrigin origin;
  bool resident = false;
  bool dirty = false;  ///< a writer had it open: after a crash its data may be older than the origin's
  bool needs_check = false;  ///< ctime or inode moved alone, or the row was rebuilt: compare samples before trusting
  std::uint64_t allocated_bytes = 0;
  std::int64_t last_use_ns = 0;  ///< wall clock
  std::uint64_t uses = 0;
  std::uint8_t read_percent = 100;  ///< of the file, by past loads
  std::uint8_t load_habit = 0;  ///< 0..3: how surely an open of it reads nearly all of it
  std::string packed_tier{};  ///< the packed tier that has a copy; empty: none
  ObjectId packed_id{};  ///< of that copy; 0: none

  [[nodiscard]] bool has_packed() const { return !packed_tier.empty(); }
  /// It has a raw file: whole, or, without a copy that could be read when it was written, some blocks of it.
  [[nodiscard]] bool has_raw() const { return resident || !has_packed() || allocated_bytes > 0; }
};

/// A path the owner pinned.
struct PinRow {
  std::string source;
  std::string path;
  friend auto operator<=>(const PinRow&, const PinRow&) = default;
};

/// What one folder of a source held when it was last listed. The bytes mean nothing to the index.
struct ListingRow {
  std::string source;
  std::string path;
  std::int64_t validated_ns = 0;  ///< wall clock: when the origin said so
  std::shared_ptr<const std::string> bytes;  ///< null in put_listing(): as they are, only the time moved
};

struct IndexContents {
  std::vector<IndexRow> rows;
  std::vector<PinRow> pins;
  std::vector<ListingRow> listings;
  std::map<std::string, std::uint64_t> counters;  ///< lifetime counters by name, and other numbers to be remembered
  ObjectId next_id{};  ///< larger than any id ever given
  bool is_new = false;  ///< there was no file: what the store has besides was another index's
  bool clean = false;  ///< the last life ended with close(), not with a crash
  bool was_reset =
      false;  ///< the file was unreadable and set aside, or missing beside a full raw tier: rebuild from sidecars
  bool same_boot = false;  ///< the last life was in this boot of the machine: what it wrote cannot be lost any more
};

class Index {
 public:
  /// Opens or makes `path` (`<store>/index.db`), and reads it all into `contents`. Marks the store as in use (not clean).
  static base::Result<std::unique_ptr<Index>> open(const std::string& path, IndexContents& contents);
  virtual ~Index() = default;

  /// Queues insert-or-update of one row.
  virtual void put(IndexRow row) = 0;
  /// Queues removal of one row.
  virtual void remove(ObjectId id) = 0;
  virtual void put_pin(PinRow pin) = 0;
  virtual void remove_pin(PinRow pin) = 0;
  /// One change of a name through the mount: every row (and pin) of `source` at `from` or below it moves to `to`. Rows that
  /// are at `to` already stay: whoever replaced their file removes them.
  virtual void rename_path(const std::string& source, const std::string& from, const std::string& to) = 0;
  /// Listings are a memory, not a truth: they may be lost, and are dropped whenever they are in doubt.
  virtual void put_listing(ListingRow row) = 0;
  /// Queues removal of the listing at `path`; with `below`, of all below it too.
  virtual void remove_listings(const std::string& source, const std::string& path, bool below) = 0;
  virtual void put_counter(const std::string& name, std::uint64_t value) = 0;
  /// Runs `job` on the index's thread after everything queued so far is durable: for files to unlink, and the like. A job may
  /// queue, never sync(). Jobs that wait for a disk that stays full until close() are dropped unrun.
  virtual void after_durable(std::move_only_function<void()> job) = 0;
  /// Blocks until everything queued so far is durable (fsync included). For what must precede a write to the origin.
  virtual base::Result<void> sync() = 0;
  /// An id never given before, also after a crash. Never blocks (ids are reserved in runs).
  virtual ObjectId next_id() = 0;
  /// Something has the id `id`, though this index may not have given it: none up to it is given any more.
  virtual void pass_over(ObjectId id) = 0;
  [[nodiscard]] virtual std::uint64_t file_bytes() const = 0;  ///< database, WAL included
  /// This life leaves files that no row speaks of: its end is none of a clean one, so that the next start looks for them.
  virtual void note_leftovers() = 0;
  /// Writes everything out and, unless there are leftovers, marks the end of a clean life. Idempotent.
  virtual base::Result<void> close() = 0;
};

}  // namespace arenacache::store
