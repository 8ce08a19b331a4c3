// SPDX-License-Identifier: Apache-2.0
// Object: one file of an origin at one version, as the engine holds it in memory: what of it is in the store, who reads it,
// what is in flight for it. Passive: the read path, the fetcher, the copier and the committer act on it under its mutex.
// Threads: any. Lock order: Catalog, then Object, then Space (docs/architecture.md). The mutex is never held across I/O.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/cache/types.h"
#include "arenacache/origin/origin.h"
#include "arenacache/store/block_map.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "arenacache/store/raw_tier.h"
#include "source.h"
#include "space.h"
#include "tier.h"

namespace arenacache::cache {

/// What an object is found by: the inode where the origin's are stable, else the path (DESIGN: identity and version).
struct ObjectKey {
  SourceId source{};
  std::uint64_t file_system_id = 0;
  std::uint64_t inode = 0;  ///< 0: by path
  std::string path;  ///< empty when by inode
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

/// Bytes of some blocks on their way from the origin. Guarded by its object's mutex, but for `bytes` once landed.
struct Flight {
  using Waiter = std::move_only_function<void(const base::Result<std::shared_ptr<const base::Buffer>>&)>;

  store::BlockIndex first = 0;
  store::BlockIndex count = 0;
  bool landed = false;  ///< bytes are in memory and wait to be written to the store
  std::shared_ptr<const base::Buffer> bytes;
  std::vector<std::uint64_t> checksums;  ///< one a block, once landed
  std::vector<Waiter> waiters;  ///< empty once landed
  std::vector<base::Job> when_settled;  ///< run once written to the store, or given up
  std::optional<base::Error> failure;  ///< why it was given up; set before when_settled runs

  [[nodiscard]] bool covers(store::BlockIndex block) const { return block >= first && block - first < count; }
};

/// Is the store's copy known to be this file's bytes? unchecked: ctime or inode moved alone, or the row was rebuilt.
enum class Trust : std::uint8_t { trusted, unchecked, checking };

/// filling > resident or packed > dropped; filling > dropped. Nothing leaves dropped. packed: the store has it whole, in a packed
/// tier alone. What goes from one to the other becomes another object (Catalog::replace).
enum class Life : std::uint8_t { filling, resident, packed, dropped };
[[nodiscard]] bool is_legal(Life from, Life to);

class RamFile;

/// Of a packed object's way into memory.
enum class RamState : std::uint8_t { none, under_way, done, no_room, failed };

class Object {
 public:
  Object(store::ObjectId object_id, std::shared_ptr<Source> its_source, ObjectKey its_key, const FileRef& file,
         base::TimePoint now);

  const store::ObjectId id;
  const std::shared_ptr<Source> source;
  const std::uint64_t size;

  /// A writer changed the file: readers go to the origin's open file, without asking for versions. Never goes back.
  std::atomic<bool> follows_origin{false};

  base::Mutex mutex;
  ObjectKey key AC_GUARDED_BY(mutex);
  std::string path AC_GUARDED_BY(mutex);
  origin::Version version AC_GUARDED_BY(mutex);
  Life life AC_GUARDED_BY(mutex) = Life::filling;
  Trust trust AC_GUARDED_BY(mutex) = Trust::trusted;
  bool full_check_due AC_GUARDED_BY(mutex) = false;  ///< samples matched; every block is still to be compared
  /// A machine crash came between the sync of its bytes and now: its blocks are compared with their checksums first.
  bool must_verify AC_GUARDED_BY(mutex) = false;
  bool is_verifying AC_GUARDED_BY(mutex) = false;
  bool refuted AC_GUARDED_BY(mutex) =
      false;  ///< `version` has other bytes than the store: its readers go to the origin
  std::vector<base::Job> waiting_for_trust AC_GUARDED_BY(mutex);
  base::TimePoint first_seen AC_GUARDED_BY(mutex);
  base::WallTime last_use AC_GUARDED_BY(mutex){};
  std::uint64_t uses AC_GUARDED_BY(mutex) = 0;
  std::vector<base::WallTime> recent_uses AC_GUARDED_BY(mutex);  ///< within the last day, the last hundred
  std::shared_ptr<const origin::Caller> caller AC_GUARDED_BY(mutex);

  // What the store has of it. `blocks` is empty (no blocks) until its sidecar was read: see has_map.
  bool has_map AC_GUARDED_BY(mutex) = true;
  bool was_complete AC_GUARDED_BY(mutex) = false;  ///< the index says so, the map is not read yet
  std::uint64_t allocated_bytes AC_GUARDED_BY(mutex) = 0;  ///< what the disk gave, when last asked
  store::BlockMap blocks AC_GUARDED_BY(mutex);
  std::unique_ptr<Reservation> reservation;  ///< set once; ends after `file`, whose bytes it stands for
  std::shared_ptr<store::RawFile> file AC_GUARDED_BY(mutex);
  bool checkpoint_due AC_GUARDED_BY(mutex) = false;  ///< blocks are in the file that no sidecar tells of
  bool is_writing_sidecar AC_GUARDED_BY(mutex) = false;  ///< one at a time: an older state must not replace a newer one
  base::CondVar sidecar_written;
  bool row_due AC_GUARDED_BY(mutex) = false;  ///< last use or uses moved since the index had them
  bool commit_scheduled AC_GUARDED_BY(mutex) = false;

  // Its copy in a packed tier.
  std::optional<PackedPlace> packed AC_GUARDED_BY(mutex);
  std::optional<AwayCopy> away AC_GUARDED_BY(mutex);  ///< never beside `packed`
  PackedFile packed_file AC_GUARDED_BY(mutex);  ///< open, for its readers, while there is no raw file to read
  std::shared_ptr<RamFile> ram_file AC_GUARDED_BY(mutex);  ///< its bytes in memory, whole
  RamState ram_state AC_GUARDED_BY(mutex) = RamState::none;  ///< how the last attempt went
  /// How surely an open of it is a load, by those before: 3 after one that read nearly all of it, one less after each that did not.
  std::uint8_t load_habit AC_GUARDED_BY(mutex) = 0;
  bool manifest_due AC_GUARDED_BY(mutex) = false;  ///< the copy's manifest has another name or other times
  bool is_packing AC_GUARDED_BY(mutex) = false;  ///< somebody has the PackingTurn
  base::CondVar packing_ended;
  bool pack_failed AC_GUARDED_BY(mutex) = false;  ///< not tried again in this life unless asked

  // What is on its way.
  std::map<store::BlockIndex, std::shared_ptr<Flight>> flights AC_GUARDED_BY(mutex);  ///< one entry a block
  std::shared_ptr<origin::OriginFile> origin_file AC_GUARDED_BY(mutex);
  std::vector<store::BlockIndex> later AC_GUARDED_BY(mutex);  ///< read in part, to be fetched when the line is quiet
  bool admitted AC_GUARDED_BY(mutex) = false;  ///< a background fill was asked for or runs
  bool refused AC_GUARDED_BY(mutex) = false;  ///< no space for a fill; asked again at the next open
  bool failed AC_GUARDED_BY(mutex) = false;  ///< the last fill ended with an error of the origin or the store
  unsigned fill_tries AC_GUARDED_BY(mutex) = 0;  ///< fills that ended for want of an answer, since the last block came
  std::string refusal AC_GUARDED_BY(mutex);  ///< why refused or failed, for people
  store::BlockIndex cursor AC_GUARDED_BY(mutex) = 0;  ///< where the last reader missed: the copier goes on from here

  double read_fraction AC_GUARDED_BY(mutex) = 1;  ///< of the file, by past loads
  std::uint64_t header_bytes AC_GUARDED_BY(mutex) = 0;  ///< of a model file: where its tensors begin; 0: not known

  // Who uses it.
  unsigned readers AC_GUARDED_BY(mutex) = 0;
  std::size_t writers AC_GUARDED_BY(mutex) = 0;  ///< as the Catalog counts them
  unsigned moves AC_GUARDED_BY(mutex) = 0;  ///< renames under way that may have given its name to another file
  std::vector<bool> touched AC_GUARDED_BY(mutex);
  std::uint32_t touched_blocks AC_GUARDED_BY(mutex) = 0;
  std::uint32_t touched_middle AC_GUARDED_BY(mutex) = 0;

  /// Some of it is in the raw tier.
  [[nodiscard]] bool has_raw() const AC_REQUIRES(mutex);
  /// Some of it can be read in the store.
  [[nodiscard]] bool has_bytes() const AC_REQUIRES(mutex) { return packed || has_raw(); }
  /// The index has a row of it: it has bytes, or is known to have them in a tier that is away.
  [[nodiscard]] bool is_stored() const AC_REQUIRES(mutex) { return has_bytes() || away; }
  /// Whole in the store, its bytes known to be the origin's, and nobody is about to change it.
  [[nodiscard]] bool is_settled() const AC_REQUIRES(mutex);
  [[nodiscard]] bool is_complete() const AC_REQUIRES(mutex);
  [[nodiscard]] bool is_packed() AC_EXCLUDES(mutex) {
    const base::MutexLock lock(mutex);
    return life == Life::packed;
  }
  [[nodiscard]] bool is_dropped() const AC_REQUIRES(mutex) { return life == Life::dropped; }
  [[nodiscard]] std::uint64_t cached_bytes() const AC_REQUIRES(mutex);
  [[nodiscard]] store::IndexRow row() const AC_REQUIRES(mutex);
  /// ctime or inode moved alone: what the store has is compared with the origin before it is trusted again.
  void doubt() AC_REQUIRES(mutex);
  [[nodiscard]] store::ObjectOrigin describe() const AC_REQUIRES(mutex);
  /// Does the sidecar speak of this object, and of all that is said to be in the store?
  [[nodiscard]] bool is_described_by(const store::Sidecar& sidecar) const AC_REQUIRES(mutex);
  /// The store's file of an object that has bytes in it and that nobody reads, fills or has yet to write a sidecar for, to be closed
  /// without the lock.
  [[nodiscard]] std::shared_ptr<store::RawFile> take_idle_file() AC_REQUIRES(mutex);
  void set_life(Life to) AC_REQUIRES(mutex);
  /// A program opened it at `now`. Returns how often that was within a day.
  std::size_t note_use(base::WallTime now) AC_REQUIRES(mutex);
  /// An open ended that read `fraction` of the file.
  void note_load(double fraction) AC_REQUIRES(mutex);
  /// The next open is likely to read nearly all of it.
  [[nodiscard]] bool expects_load() const AC_REQUIRES(mutex) { return load_habit > 1; }
  /// Counts a read of blocks [first, last]; true when what readers did so far is a load.
  bool note_read(store::BlockIndex first, store::BlockIndex last) AC_REQUIRES(mutex);
  void check_invariants() const AC_REQUIRES(mutex);
};

}  // namespace arenacache::cache
