// SPDX-License-Identifier: Apache-2.0
// DiskPackedTier: the packed tier. It leads; the parts do: PackedFiles the files, ChunkTable and PackedObjects the counts,
// ChunkWriter what is new, DeltaBases what it may be a difference to.
// Threads, locks, promises: as PackedTier. Owner: the folder's lock; decoders and their buffers, as many as read at once, of which
// sixteen are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/layout.h"
#include "arenacache/store/packed_tier.h"
#include "chunk_file.h"
#include "chunk_table.h"
#include "chunk_writer.h"
#include "manifest.h"
#include "packed_files.h"
#include "packed_objects.h"

namespace arenacache::store {

class DiskPackedTier final : public PackedTier {
 public:
  DiskPackedTier(base::FileIo& io, StoreFolder folder);

  /// Reads every manifest. Once, before all else.
  base::Result<void> load(PackedInventory& inventory);

  base::Result<PackedSizes> pack(const PackRequest& request) override;
  base::Result<std::shared_ptr<PackedObject>> open_object(ObjectId id) override;
  base::Result<PackedSizes> copy_object(ObjectId id, PackedTier& to, ObjectId new_id,
                                        const PackRequest& terms) override;
  base::Result<void> rewrite_origin(ObjectId id, const ObjectOrigin& origin) override;
  base::Result<void> remove(ObjectId id) override;
  base::Result<std::uint64_t> collect_orphans() override;
  base::Result<void> check_chunk(PackedObject& object, std::uint32_t chunk) override;
  [[nodiscard]] PackedSizes sizes(ObjectId id) const override;
  [[nodiscard]] PackedTotals totals() const override;
  [[nodiscard]] std::uint64_t used_bytes() const override;
  [[nodiscard]] const std::string& directory() const override { return files_.paths().directory(); }
  void check_invariants() const override;

  /// A ChunkReader that nobody else uses; it goes back when this ends.
  class LentReader {
   public:
    explicit LentReader(DiskPackedTier& tier);
    ~LentReader();
    LentReader(const LentReader&) = delete;
    LentReader& operator=(const LentReader&) = delete;
    ChunkReader& operator*() { return *reader_; }
    ChunkReader* operator->() { return reader_.get(); }

   private:
    DiskPackedTier& tier_;
    std::unique_ptr<ChunkReader> reader_;
  };
  /// Reads a chunk that the caller keeps from going away; its file stays in `reader`. Damage is remembered.
  /// @return what the file's head says. Errors as PackedObject::read_chunk().
  base::Result<ChunkHead> read_chunk(const Chunk* chunk, ChunkReader& reader, std::span<std::byte> out);
  /// Ends an open object's hold.
  void release(const RecordPtr& record);

 private:
  /// What becomes an object once its chunks are there.
  struct NewObject {
    RecordPtr record;  ///< claimed
    ObjectOrigin origin;
    std::vector<TensorFingerprint> tensors;
  };
  base::Result<void> pack_chunks(const PackRequest& request, ChunkWriter& writer, NewObject& object);
  /// The other half of copy_object(), of the tier that gets the object.
  base::Result<PackedSizes> take_copy(DiskPackedTier& from, const std::vector<Chunk*>& chunks, ObjectId new_id,
                                      Manifest manifest, const PackRequest& terms);
  /// Writes the manifest. Gives the claim back in any case.
  base::Result<PackedSizes> commit(NewObject& object, ChunkWriter& writer, const PackRequest& terms);
  base::Result<void> write_manifest_of(NewObject& object, ChunkWriter& writer, const PackRequest& terms);

  /// corrupt, or EIO: the manifest is to be deleted.
  base::Result<void> load_manifest(ObjectId id, PackedInventory& inventory, std::vector<Chunk*>& disputed);
  void settle_sizes(const std::vector<Chunk*>& disputed);
  void let_go(const RecordPtr& record);
  base::Result<std::uint64_t> collect_chunks(unsigned folder);
  base::Result<std::uint64_t> collect_manifests(unsigned folder);
  base::Result<ChunkHead> load_file(const ChunkHash& hash, ChunkReader& reader);
  base::Result<void> note_damage(const ChunkHash& hash, base::Result<void> outcome);

  const StoreFolder folder_;
  PackedFiles files_;
  ChunkTable table_;
  PackedObjects objects_;
  base::Mutex readers_mutex_;
  std::vector<std::unique_ptr<ChunkReader>> readers_ AC_GUARDED_BY(readers_mutex_);
};

}  // namespace arenacache::store
