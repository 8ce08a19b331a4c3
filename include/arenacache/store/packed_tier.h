// SPDX-License-Identifier: Apache-2.0
// PackedTier: objects as losslessly compressed chunks, each chunk stored once, whatever objects have it: `chunks/ab/<hash>`, and
// one manifest an object, `objects/ab/<id>.pack`: where it is from, and its chunks in order. docs/on-disk.md has both formats.
// Promises: what is read is what was packed, compared by checksum, or an error. A manifest is there only when all its chunks are,
// durably; a chunk stays while a manifest, a difference that is built on it, or an open PackedObject needs it. All that is counted
// comes from the manifests, so a crash at any step costs bytes until collect_orphans(), never a chunk that is needed.
// Threads: any. Locks: leaves, one for the chunks' counts and one for the objects', never held across I/O. Never: decides what to keep; takes more memory than 100
// bytes a chunk, a manifest a PackedObject, and 64 MiB a call of pack().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/store/chunk.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/pack_plan.h"
#include "arenacache/store/sidecar.h"

namespace arenacache::store {

/// One packed object, open for reading. Its chunks stay while it lives, also after the object was removed.
class PackedObject {
 public:
  virtual ~PackedObject() = default;
  [[nodiscard]] virtual ObjectId id() const = 0;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  [[nodiscard]] virtual std::uint32_t chunk_count() const = 0;
  /// The chunk that the byte at `offset` (below size()) lies in. O(log chunks).
  [[nodiscard]] virtual std::uint32_t chunk_at(std::uint64_t offset) const = 0;
  [[nodiscard]] virtual std::uint64_t chunk_offset(std::uint32_t chunk) const = 0;
  [[nodiscard]] virtual std::uint32_t chunk_bytes(std::uint32_t chunk) const = 0;
  [[nodiscard]] virtual ChunkHash chunk_hash(std::uint32_t chunk) const = 0;
  /// Reads and decodes one chunk into `out`, exactly chunk_bytes(). Blocks on the disk and the processor; any number of threads
  /// at once. ErrorKind::corrupt: the bytes on the disk are not what was packed (remove the object then); store: the disk failed.
  virtual base::Result<void> read_chunk(std::uint32_t chunk, std::span<std::byte> out) = 0;
};

/// What an object takes, as things stand: what is shared by two is one's alone when the other goes.
struct PackedSizes {
  std::uint64_t logical_bytes = 0;  ///< of the file
  std::uint64_t stored_bytes = 0;  ///< on the disk, of chunks that this object alone has, and its manifest
  std::uint64_t shared_bytes = 0;  ///< of the file, in chunks that other objects have too
  std::uint64_t delta_bytes = 0;  ///< of the file, in chunks stored as differences
};

/// What a tier holds. logical - dedup is what was encoded; `codec` and `delta` are what encoding took off that.
struct PackedTotals {
  std::uint64_t objects = 0;
  std::uint64_t chunks = 0;
  std::uint64_t logical_bytes = 0;  ///< of all objects
  std::uint64_t unique_bytes = 0;  ///< of all chunks, decoded
  std::uint64_t stored_bytes = 0;  ///< of all chunks' files and manifests, as the disk gave it
  std::uint64_t delta_unique_bytes = 0;  ///< decoded, of chunks stored as differences
  std::uint64_t delta_stored_bytes = 0;
};

struct PackRequest {
  ObjectId id{};  ///< new: never the id of another packed or raw object
  ObjectOrigin origin;
  PackPlan plan;
  /// The header's table, for the names by which bases of differences are found; null: none are looked for.
  const model::TensorTable* table = nullptr;
  codec::Level level = codec::Level::fast;
  /// Fills `out` with the object's bytes at `offset`. Called in order, on the thread of pack(); an error ends the packing.
  std::function<base::Result<void>(std::span<std::byte> out, std::uint64_t offset)> read;
  /// About to store so many bytes more: an error ends the packing. Called without locks; it may remove other objects.
  std::function<base::Result<void>(std::uint64_t bytes)> make_room;
  /// After each chunk, with the bytes of the file that are done: false ends the packing (ErrorKind::cancelled). May sleep.
  std::function<bool(std::uint64_t done)> progress;
};

struct PackedInventory {
  struct Entry {
    ObjectId id{};
    ObjectOrigin origin;
    std::uint64_t stored_bytes = 0;
  };
  std::vector<Entry> objects;  ///< whose manifests are good; whether all their chunks are is found when they are read
  std::uint64_t removed = 0;  ///< damaged manifests, deleted
  std::uint64_t identity = 0;  ///< the tier's, which no other has
};

class PackedTier : public std::enable_shared_from_this<PackedTier> {
 public:
  /// Makes or opens the tier's folder and takes its lock, as open_packed_folder() does, and reads every manifest. A disk that fails
  /// again and again meanwhile is an error, and no manifest is deleted.
  static base::Result<std::shared_ptr<PackedTier>> open(base::FileIo& io, const std::string& directory,
                                                        PackedInventory& inventory, std::uint64_t expected = 0);
  virtual ~PackedTier() = default;

  /// Encodes and stores an object. Once it returns all is durable. An error leaves no manifest; chunks that it stored go.
  /// ErrorKind::invalid: the id is in use, or the plan is not of origin.size.
  /// ErrorKind::no_space: the disk is full or make_room() said so. Blocks for long, on one thread: run it at idle priority.
  virtual base::Result<PackedSizes> pack(const PackRequest& request) = 0;
  /// ErrorKind::corrupt when its manifest is damaged or gone.
  virtual base::Result<std::shared_ptr<PackedObject>> open_object(ObjectId id) = 0;
  /// Copies an object's chunks as they are, but for those that `to` has, into `to`, another tier, under a new id, with the origin
  /// that this one's manifest says. As pack() in all else; of `terms` only make_room, progress and level count.
  virtual base::Result<PackedSizes> copy_object(ObjectId id, PackedTier& to, ObjectId new_id,
                                                const PackRequest& terms) = 0;
  /// The object's file was renamed, or its attributes changed: what a rebuild of the index will go by.
  virtual base::Result<void> rewrite_origin(ObjectId id, const ObjectOrigin& origin) = 0;
  /// Removes the manifest, durably, then the chunks that nothing needs any more. One that is not there is fine; for one that is
  /// being packed or rewritten it waits. After an error the object cannot be opened, and takes its space until the next remove()
  /// of it, or collect_orphans(), succeeds.
  virtual base::Result<void> remove(ObjectId id) = 0;
  /// Deletes chunks and temporary files that no manifest names: what crashes left. Takes as long as listing the folders;
  /// safe beside everything else. @return how many.
  virtual base::Result<std::uint64_t> collect_orphans() = 0;
  /// Reads one chunk of the object again, past the page cache, and compares it with its name too: as PackedObject::read_chunk().
  virtual base::Result<void> check_chunk(PackedObject& object, std::uint32_t chunk) = 0;

  [[nodiscard]] virtual PackedSizes sizes(ObjectId id) const = 0;
  [[nodiscard]] virtual PackedTotals totals() const = 0;
  [[nodiscard]] virtual std::uint64_t used_bytes() const = 0;  ///< as PackedTotals::stored_bytes
  [[nodiscard]] virtual const std::string& directory() const = 0;
  /// Recounts everything from the objects and compares. While no call of pack(), copy_object() or remove() runs.
  virtual void check_invariants() const = 0;
};

}  // namespace arenacache::store
