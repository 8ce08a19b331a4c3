// SPDX-License-Identifier: Apache-2.0
// What the engine and those who talk to it (vfs, control) call things.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/result.h"
#include "arenacache/config/config.h"
#include "arenacache/origin/fidelity.h"
#include "arenacache/origin/guarded_origin.h"

namespace arenacache::cache {

/// Which mount a file belongs to: the index of its [[mount]].
enum class SourceId : std::uint32_t {};

/// One file of an origin as it was just seen: where, and at which version.
struct FileRef {
  SourceId source{};
  std::string path;         ///< relative to the source
  origin::Version version;  ///< version.inode is the origin's inode number
};

/// What a folder held when its origin was last asked. The bytes are vfs's affair.
struct KnownListing {
  std::string path;  ///< of the folder, relative to the source
  std::optional<base::WallTime> validated;  ///< when the origin said so; nothing: how long ago cannot be told
  std::shared_ptr<const std::string> bytes;
};

struct OpenRequest {
  FileRef file;
  pid_t pid = 0;                 ///< who opens: for cache.ignore_commands
  bool has_writer = false;       ///< somebody has the file open for writing through the mount
  std::shared_ptr<const origin::Caller> caller;  ///< for an origin that refuses the daemon (root_squash); may be null
  std::shared_ptr<origin::OriginFile> origin_file{};  ///< the origin's file, if it is open already
};

/// Bytes of an answered read: a view that lives as long as `owner`, or, where that is null, until ReadDone returns.
struct ReadBytes {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
};

/// Called once, on any thread, also inside read() itself when nothing needs to be waited for.
using ReadDone = std::move_only_function<void(base::Result<ReadBytes>)>;

/// What a file that the kernel reads in the daemon's place is known by: equal keys are the same bytes of the same file.
enum class BackingKey : std::uint64_t {};
inline constexpr BackingKey kNoBacking{0};
/// Of an origin's own file. The numbers of the store's objects never get there.
inline constexpr std::uint64_t kOriginBackings = std::uint64_t{1} << 63U;
/// Of a file in memory: a packed object's bytes. The numbers of the store's objects never get there either.
inline constexpr std::uint64_t kRamBackings = std::uint64_t{1} << 62U;
[[nodiscard]] constexpr BackingKey origin_backing(std::uint64_t inode) { return BackingKey{inode | kOriginBackings}; }
[[nodiscard]] constexpr bool is_origin_backing(BackingKey key) {
  return (static_cast<std::uint64_t>(key) & kOriginBackings) != 0;
}

[[nodiscard]] constexpr bool is_ram_backing(BackingKey key) {
  return !is_origin_backing(key) && (static_cast<std::uint64_t>(key) & kRamBackings) != 0;
}

/// A file that holds the bytes of an open, so that the kernel can be given it (passthrough).
struct BackingFile {
  BackingKey key = kNoBacking;
  int descriptor = -1;
  std::shared_ptr<const void> owner;  ///< keeps the descriptor open
};

/// One open for reading: holds one version of one file until it is destroyed.
class Reader {
 public:
  virtual ~Reader() = default;
  /// Answers [offset, offset + length) clipped to the file's end. Never blocks on the origin: hits are answered inside the
  /// call, misses by a completion. Errors: origin's errno, timeout, stale (ESTALE: the version is whole nowhere any more).
  virtual void read(std::uint64_t offset, std::size_t length, ReadDone done) = 0;
  /// The version this open reads.
  [[nodiscard]] virtual const origin::Version& version() const = 0;
  /// Every block was in the store when it was opened.
  [[nodiscard]] virtual bool was_hit() const = 0;
  /// It reads whatever the origin has now, no version: the file has, or had, a writer.
  [[nodiscard]] virtual bool follows() const = 0;
  /// The origin's file behind this open, opened now if it was not. Blocks on the origin: for calls that need a descriptor
  /// (lseek, copy_file_range) and before its name goes; never on a FUSE thread.
  virtual base::Result<std::shared_ptr<origin::OriginFile>> origin_file() = 0;
  /// Runs `job` once backing() is what the open is to be answered with: inside the call, but where a packed file is being decoded
  /// into memory, and whoever reads all of it, as its opens use to, has it sooner by waiting. Then on a thread of the engine.
  virtual void when_ready(base::Job job) = 0;
  /// The open was answered: counts it, and the use. `by_kernel`: the kernel reads backing() itself.
  virtual void note_opened(bool by_kernel) = 0;
  /// The file that the kernel may read in our place: the store's, if it is resident, or packed and decoded in memory, and trusted; the origin's own, if nothing is
  /// to be cached of it, it lies on a local disk and is open. Never to be handed to a writer.
  [[nodiscard]] virtual std::optional<BackingFile> backing() const = 0;
  /// backing() would be the origin's file if it were open.
  [[nodiscard]] virtual bool could_back_by_origin() const = 0;
  /// Opens the origin's file, on a thread of the origin (GuardedOrigin::look). ESTALE or ENOENT: it is not what the reader is of.
  virtual base::Result<void> open_at(origin::Origin& origin) = 0;
};

/// One open for writing: while it lives its file is not committed. Cheap; destroyed at the last release.
class Writer {
 public:
  virtual ~Writer() = default;
  /// The data is about to change (first write, truncate, fallocate): drops what the store has of the file, durably, and sends
  /// served readers to the origin. Blocks on the index at most once per Writer. Call before the origin is written.
  virtual void before_data_change() = 0;
};

/// Two names of a rename; a folder's stand for all that is below.
struct NamePair {
  std::string from;
  std::string to;
  bool is_exchange = false;
};

/// A rename under way. While it lives, what the store has under names that move is not trusted after a crash.
class NameMove {
 public:
  virtual ~NameMove() = default;
};

/// packed: the store has it whole, in a packed tier alone.
enum class ObjectState : std::uint8_t { filling, resident, packed };

/// One object as `ls` shows it.
struct ObjectInfo {
  std::string mount;
  std::string path;
  ObjectState state = ObjectState::filling;
  std::uint64_t size_bytes = 0;
  std::uint64_t cached_bytes = 0;
  base::WallTime last_use{};
  std::uint64_t uses = 0;
  bool pinned = false;
  bool is_filling_now = false;
  unsigned open_readers = 0;
  std::uint64_t ram_bytes = 0;  ///< of the store's file, in the page cache
  std::uint64_t raw_shared_bytes = 0;  ///< of the file in the raw tier, which is another object's too
  std::string tier{};  ///< the packed tier that has it, or a copy beside the raw file; empty: none
  std::uint64_t stored_bytes = 0;  ///< there, of what this object alone has
  std::uint64_t shared_bytes = 0;  ///< of the file, in chunks that other objects have too
  std::uint64_t delta_bytes = 0;  ///< of the file, in chunks that are stored as differences
};

/// Where a file is wanted: in the store, or, of files that are in the store, in memory as well.
enum class PrefetchTarget : std::uint8_t { store, ram };
enum class PrefetchState : std::uint8_t { queued, filling, done, failed, skipped };

/// How far one asked-for fill is.
struct PrefetchProgress {
  PrefetchState state = PrefetchState::queued;
  std::uint64_t size_bytes = 0;
  std::uint64_t cached_bytes = 0;
  std::string reason;  ///< why failed or skipped
};

/// Whether the kernel reads resident files of a mount by itself.
struct PassthroughState {
  bool is_available = false;
  std::string reason;  ///< why not
};

/// What an owner may ask of objects in the store. pack: into the first packed tier, and out of the raw one; unpack: into the raw
/// tier; move: into the tier with that name ("raw" is one).
enum class TierTask : std::uint8_t { pack, unpack, move };

/// How far one asked-for task is; bytes are the file's.
struct TierProgress {
  PrefetchState state = PrefetchState::queued;
  std::uint64_t size_bytes = 0;
  std::uint64_t done_bytes = 0;
  std::string reason;  ///< why failed or skipped
};

/// What packing a file would save, by a sample of it.
struct PackEstimate {
  std::uint64_t size_bytes = 0;
  std::uint64_t packed_bytes = 0;  ///< likely, without what it may share with other files
  std::uint64_t sampled_bytes = 0;  ///< read and encoded to tell so
  std::string types;  ///< "BF16 98 %, F32 2 %", by bytes; empty: not a model that is known
};

struct OriginStats {
  std::string mount;
  bool is_fast = false;  ///< nothing of it is copied (origin.kind)
  std::uint64_t calls = 0;  ///< of any kind
  std::uint64_t read_bytes = 0;
  std::uint64_t read_ops = 0;
  std::uint64_t errors = 0;
  std::uint64_t timeouts = 0;
  unsigned lost_threads = 0;
  origin::Health health = origin::Health::up;
  base::Duration in_health_for{};  ///< since it last changed
};

struct TierStats {
  std::string name;
  std::string kind;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t small_capacity_bytes = 0;
  std::uint64_t small_used_bytes = 0;
  std::uint64_t keep_free_bytes = 0;
  std::uint64_t objects = 0;
  std::uint64_t resident = 0;
  std::uint64_t held_open_bytes = 0;
  std::uint64_t pinned_bytes = 0;
  std::uint64_t doomed_bytes = 0;
  // Of the raw tier.
  std::uint64_t shared_bytes = 0;  ///< that it would take more if no two objects shared a file
  std::uint64_t compares_due = 0;  ///< files that are to be compared with others of their size, or are just being
  // Of packed tiers (kind "packed").
  std::string
      trouble{};  ///< it is away: why, and what to do; then `objects` are what the index knows of it. Empty: it is there
  std::uint64_t logical_bytes = 0;  ///< of the objects' files
  std::uint64_t unique_bytes = 0;  ///< of the chunks, decoded: logical - unique is what sharing saves
  std::uint64_t delta_unique_bytes = 0, delta_stored_bytes = 0;  ///< of those chunks that are differences
  std::uint64_t encoded_bytes = 0, encode_ns = 0;  ///< in this life; time of one thread
  std::uint64_t decoded_bytes = 0, decode_ns = 0;
};

struct RamStats {
  std::uint64_t capacity_bytes = 0;  ///< the most that is read into memory ahead of programs
  std::uint64_t used_bytes =
      0;  ///< of resident files in the page cache, whoever brought it there; at most five seconds old
  std::uint64_t decoded_bytes = 0;  ///< of that what packed files take, decoded, while anybody may read them there
};

/// A file that a scrub found damaged in the store.
struct ScrubDamage {
  std::string mount;
  std::string path;
  std::uint64_t blocks = 0;
  std::string reason;  ///< of the first one
};

/// The scrub that runs, or the last one.
struct ScrubState {
  bool is_active = false;
  std::uint64_t pass = 0;  ///< counted from the start; 0: there was none
  std::uint64_t total_objects = 0, checked_objects = 0;
  std::uint64_t total_bytes = 0, checked_bytes = 0;
  std::uint64_t bad_blocks = 0;
  std::string failure;  ///< why it ended before it was through; empty: it did not
  std::vector<ScrubDamage> damaged;  ///< the first hundred
  std::optional<base::WallTime> last_finished;  ///< of any life
};

struct EngineStats {
  config::CacheMode mode = config::CacheMode::active;
  std::uint64_t opens_total = 0, opens_hit = 0, opens_miss = 0, opens_stale = 0, opens_ignored = 0;
  std::uint64_t opens_passthrough = 0,
                opens_served = 0;  ///< of all opens for reading: by whom their reads are answered
  std::vector<PassthroughState> passthrough;  ///< of each mount
  std::uint64_t reads_hit = 0, reads_miss = 0, hit_bytes = 0, miss_bytes = 0;
  std::uint64_t stale_reads = 0;  ///< answered ESTALE: the version was gone
  std::vector<OriginStats> origins;
  std::vector<TierStats> tiers;
  RamStats ram;
  std::uint64_t fills_active = 0, fills_queued = 0, fills_completed = 0, fills_failed = 0, fill_bytes = 0;
  std::uint64_t evicted_objects = 0, evicted_bytes = 0;
  std::uint64_t checksum_errors = 0;
  std::uint64_t store_errors = 0;
  ScrubState scrub;
  std::uint64_t scrub_bad_blocks = 0;  ///< over all scrubs of this life
  bool has_store = true;  ///< false: it could not be opened at the start; `warning` says why
  std::string warning;  ///< "programs hold 190 GiB open, the capacity is 200 GiB"; empty: all is well
  std::vector<std::pair<std::string, std::uint64_t>> lifetime;  ///< counters over all restarts, by name
};

}  // namespace arenacache::cache
