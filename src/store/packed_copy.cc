// SPDX-License-Identifier: Apache-2.0
// How an object goes from one packed tier to another: its chunks' frames as they are, and before them the bases that they need.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/codec/frame.h"
#include "arenacache/store/chunk.h"
#include "chunk_file.h"
#include "chunk_writer.h"
#include "disk_packed_tier.h"
#include "manifest.h"
#include "open_packed_object.h"
#include "raw_names.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

}  // namespace

/// One call of copy_object(). Threads: one.
class PackedCopy {
 public:
  PackedCopy(DiskPackedTier& from, ChunkWriter& writer, const PackRequest& terms)
      : from_(from),
        writer_(writer),
        terms_(terms),
        encoder_({.level = terms.level}),
        room_(kMaxChunkBytes),
        frame_room_(codec::frame_bound(kMaxChunkBytes)) {}

  /// The bases of differences, under their own names before any difference to them is written.
  base::Result<void> copy_bases(const std::vector<Chunk*>& chunks) {
    for (const Chunk* chunk : chunks) {
      const Chunk* base = chunk->second.base;
      if (base == nullptr || bases_.contains(base->first)) continue;
      AC_ASSIGN(const auto taken, writer_.take_apart(base->first, base->second.bytes));
      bases_.emplace(base->first, taken.chunk);
      if (taken.is_missing) AC_TRY(copy(base, taken));
    }
    return writer_.place_pending();
  }

  base::Result<void> copy_chunks(const std::vector<Chunk*>& chunks) {
    std::uint64_t done = 0;
    for (const Chunk* chunk : chunks) {
      AC_ASSIGN(const auto taken, writer_.take(chunk->first, chunk->second.bytes));
      if (taken.is_missing) AC_TRY(copy(chunk, taken));
      done += chunk->second.bytes;
      if (!terms_.progress || terms_.progress(done)) continue;
      return base::fail(ErrorKind::cancelled, EINTR, "moving a packed object was stopped");
    }
    return {};
  }

 private:
  /// Decodes it too: what is damaged must not spread.
  base::Result<void> copy(const Chunk* chunk, const ChunkWriter::Taken& taken) {
    DiskPackedTier::LentReader reader(from_);
    const auto bytes = room_.span().first(chunk->second.bytes);
    AC_ASSIGN(const ChunkHead head, from_.read_chunk(chunk, *reader, bytes));
    std::span<const std::byte> frame = reader->frame();
    Chunk* base = nullptr;
    if (head.base) {
      base = taken.must_stand_alone ? nullptr : base_in_target(*head.base);
      if (base == nullptr) {
        AC_ASSIGN(const codec::FrameInfo info, codec::read_frame_info(frame));
        frame = frame_room_.span().first(encoder_.encode(bytes, info.type, frame_room_.span()));
      }
    }
    if (terms_.make_room) AC_TRY(terms_.make_room(kChunkHeadBytes + frame.size()));
    return writer_.write(taken.chunk, base, frame);
  }

  /// Null where the other tier has the base as a difference itself, or not at all.
  Chunk* base_in_target(const ChunkHash& hash) {
    const auto known = bases_.find(hash);
    if (known == bases_.end()) return nullptr;
    Chunk* base = writer_.take_base(known->second);
    return base == known->second ? base : nullptr;
  }

  DiskPackedTier& from_;
  ChunkWriter& writer_;
  const PackRequest& terms_;
  codec::Encoder encoder_;
  base::Buffer room_;
  base::Buffer frame_room_;
  std::unordered_map<ChunkHash, Chunk*, ChunkHasher> bases_;  ///< the other tier's, pinned by the writer
};

base::Result<PackedSizes> DiskPackedTier::copy_object(ObjectId id, PackedTier& to, ObjectId new_id,
                                                      const PackRequest& terms) {
  AC_ASSIGN(const std::shared_ptr<PackedObject> held, open_object(id));
  AC_ASSIGN(Manifest manifest, files_.read_manifest(id));
  return static_cast<DiskPackedTier&>(to).take_copy(*this, static_cast<OpenPackedObject&>(*held).chunks(), new_id,
                                                    std::move(manifest), terms);
}

base::Result<PackedSizes> DiskPackedTier::take_copy(DiskPackedTier& from, const std::vector<Chunk*>& chunks,
                                                    ObjectId new_id, Manifest manifest, const PackRequest& terms) {
  NewObject object{.record = {}, .origin = std::move(manifest.origin), .tensors = std::move(manifest.tensors)};
  AC_ASSIGN(object.record, objects_.claim_new(new_id));
  ChunkWriter writer(files_, table_);
  PackedCopy copy(from, writer, terms);
  auto copied = copy.copy_bases(chunks);
  if (copied) copied = copy.copy_chunks(chunks);
  if (!copied) {
    objects_.unclaim(object.record);
    return std::unexpected(std::move(copied).error());
  }
  return commit(object, writer, terms);
}

}  // namespace arenacache::store
