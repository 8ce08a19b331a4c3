// SPDX-License-Identifier: Apache-2.0
// ChunkTable: which chunks a packed tier has, who needs each of them, and what they take. No I/O here.
// A chunk is needed by the objects that list it (refs), by differences that are built on it (deltas), and by calls that are at work
// with it (pins). One that nobody needs any more is handed to whoever let go last, who deletes its file and says so.
// Promises: a chunk's file is renamed or deleted by one thread at a time (is_busy); who wants the chunk meanwhile waits for that.
// An entry stays where it is while anybody needs it. Threads: any. Locks: its own mutex, never held across I/O. Memory: below
// 100 bytes a chunk, an object's pointer to it included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/store/chunk.h"
#include "arenacache/store/packed_tier.h"
#include "manifest.h"

namespace arenacache::store {

struct ChunkState;
/// A chunk in the table, by its hash. `second` is the table's: guarded by its mutex, but for what never changes.
using Chunk = std::pair<const ChunkHash, ChunkState>;

struct ChunkState {
  Chunk* base = nullptr;  ///< it is the difference to; set with is_placed. Never itself a difference
  std::uint32_t bytes = 0;  ///< decoded; never changes
  std::uint32_t disk_bytes = 0;  ///< what its file takes; 0 unless is_placed
  std::uint32_t refs = 0;
  std::uint32_t deltas = 0;
  std::uint32_t pins = 0;
  bool is_placed : 1 = false;  ///< its file has its name
  bool is_busy : 1 = false;  ///< one thread is renaming or deleting its file
  bool is_durable : 1 = false;  ///< its file's name too would survive a power cut
  bool is_seen : 1 = false;  ///< written or looked at in this life
  bool is_bad : 1 = false;  ///< its file was found damaged or gone
  bool is_mended : 1 = false;  ///< its file was written anew: it needs no base, whatever `base` says
  [[nodiscard]] bool is_good() const;
};

struct ChunkHasher {
  std::size_t operator()(const ChunkHash& hash) const noexcept { return static_cast<std::size_t>(hash.low); }
};

/// What a chunk that was asked for is.
enum class Standing : std::uint8_t {
  missing,  ///< to be written
  damaged,  ///< to be written anew, and no difference any more
  there,
};

class ChunkTable {
 public:
  /// Needs the chunk from now on, until unpin(). Waits while its file is renamed or deleted. corrupt: there is another chunk
  /// with this hash.
  base::Result<Chunk*> pin(const ChunkHash& hash, std::uint32_t bytes);
  /// What a difference to `chunk` can be built on, pinned: the chunk, or its base. Null: nothing that is there and good.
  /// @param chunk held by the caller in some way.
  Chunk* pin_as_base(Chunk* chunk);
  /// As unlist().
  [[nodiscard]] std::vector<Chunk*> unpin(std::span<Chunk* const> chunks);
  [[nodiscard]] Standing standing(const Chunk* chunk) const;
  /// The chunk, or its base, if it should be there, but nobody has looked in this life; else null.
  [[nodiscard]] Chunk* first_unseen(Chunk* chunk) const;
  /// What was found when its file was looked at. What was bad before stays so.
  void set_seen(Chunk* chunk, bool is_good);
  void mark_bad(const ChunkHash& hash);

  /// The caller wants to rename its file to the chunk's name. False: somebody else's is there, and good, or not to be replaced by a
  /// difference. After true: placed() or not_placed().
  [[nodiscard]] bool begin_placing(Chunk* chunk, bool is_difference);
  /// @param base what the file is the difference to, pinned by the caller; null for none.
  void placed(Chunk* chunk, std::uint32_t disk_bytes, Chunk* base);
  void not_placed(Chunk* chunk);
  /// Of those and their bases, the ones whose names are not known to be durable.
  [[nodiscard]] std::vector<Chunk*> not_durable(std::span<Chunk* const> chunks) const;
  void set_durable(std::span<Chunk* const> chunks);

  /// An object lists the chunks, and each is pinned by the caller.
  void list(std::span<Chunk* const> chunks);
  /// The object is gone. @return those that nobody needs now, all busy: delete each one's file, then call deleted().
  [[nodiscard]] std::vector<Chunk*> unlist(std::span<Chunk* const> chunks);
  /// @param is_done false: the file could not be deleted; it stays, as an orphan. @return its base, if that is needed no more:
  /// busy, to be deleted next.
  [[nodiscard]] Chunk* deleted(Chunk* chunk, bool is_done);
  /// Nobody needs the chunk with this hash, or knows of it: then it is busy, to be deleted.
  [[nodiscard]] Chunk* claim_orphan(const ChunkHash& hash);
  /// All that are known and that nobody needs: busy, to be deleted.
  [[nodiscard]] std::vector<Chunk*> claim_unneeded();

  /// What a manifest on the disk says. `disputed` gets those of which others say another size on the disk. corrupt: it
  /// contradicts the others; nothing is listed then.
  base::Result<std::vector<Chunk*>> adopt(const std::vector<ManifestChunk>& chunks, std::vector<Chunk*>& disputed);
  void set_disk_bytes(Chunk* chunk, std::uint32_t bytes);

  /// How the chunks stand in a manifest. All of them placed.
  [[nodiscard]] std::vector<ManifestChunk> manifest_chunks(std::span<Chunk* const> chunks) const;
  /// stored, shared and delta bytes of an object with these chunks.
  [[nodiscard]] PackedSizes sizes(std::span<Chunk* const> chunks) const;
  /// Adds what the chunks are and take.
  void add_totals(PackedTotals& totals) const;
  /// Files under temporary names take so much more, or less.
  void add_pending(std::uint64_t bytes);
  void remove_pending(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t used_bytes() const;
  /// Recounts, and compares. @param listings of all objects that are there or held.
  void check_invariants(const std::unordered_map<const Chunk*, std::uint32_t>& listings) const;

 private:
  using Map = std::unordered_map<ChunkHash, ChunkState, ChunkHasher>;

  [[nodiscard]] static bool is_needed(const ChunkState& state) {
    return state.refs > 0 || state.deltas > 0 || state.pins > 0;
  }
  /// Null if the chunk is needed, or has no file: then it is forgotten.
  Chunk* let_go_locked(Chunk* chunk) AC_REQUIRES(mutex_);
  base::Result<Chunk*> adopt_locked(const ManifestChunk& chunk, std::vector<Chunk*>& disputed) AC_REQUIRES(mutex_);
  void add_file_locked(ChunkState& state, std::uint32_t disk_bytes) AC_REQUIRES(mutex_);
  void remove_file_locked(ChunkState& state) AC_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  base::CondVar changed_;  ///< a chunk is no longer busy
  Map chunks_ AC_GUARDED_BY(mutex_);
  PackedTotals totals_ AC_GUARDED_BY(mutex_);  ///< of all placed chunks
  std::uint64_t pending_bytes_ AC_GUARDED_BY(mutex_) = 0;
};

}  // namespace arenacache::store
