// SPDX-License-Identifier: Apache-2.0
// How an object is packed: chunk by chunk through TensorPacker and ChunkWriter, then its manifest.
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/chunk.h"
#include "arenacache/store/pack_plan.h"
#include "chunk_writer.h"
#include "delta_bases.h"
#include "disk_packed_tier.h"
#include "raw_names.h"
#include "tensor_packer.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

base::Result<void> check_request(const PackRequest& request) {
  const bool fits = request.plan.size == request.origin.size && to_number(request.id) <= kMaxObjectNumber;
  if (fits) return {};
  return base::fail(ErrorKind::invalid, EINVAL,
                    base::text("cannot pack ", request.origin.path, ": its plan is another file's"));
}

}  // namespace

base::Result<PackedSizes> DiskPackedTier::pack(const PackRequest& request) {
  AC_TRY(check_request(request));
  NewObject object{.record = {}, .origin = request.origin, .tensors = {}};
  AC_ASSIGN(object.record, objects_.claim_new(request.id));
  ChunkWriter writer(files_, table_);
  if (auto packed = pack_chunks(request, writer, object); !packed) {
    objects_.unclaim(object.record);
    return std::unexpected(std::move(packed).error());
  }
  return commit(object, writer, request);
}

base::Result<void> DiskPackedTier::pack_chunks(const PackRequest& request, ChunkWriter& writer, NewObject& object) {
  DeltaBases bases(files_, objects_, request.plan, request.table);
  TensorPacker packer(*this, request, bases, writer);
  base::Buffer room(kMaxChunkBytes);
  base::Result<void> done;
  std::uint64_t at = 0;
  for (const PlannedChunk& chunk : request.plan.chunks) {
    AC_CHECK(chunk.offset == at && chunk.bytes > 0 && chunk.bytes <= kMaxChunkBytes);
    at += chunk.bytes;
    const auto bytes = room.span().first(chunk.bytes);
    done = request.read(bytes, chunk.offset);
    if (done) done = packer.add(chunk, bytes);
    if (done && request.progress && !request.progress(at)) {
      done = base::fail(ErrorKind::cancelled, EINTR, base::text("packing ", request.origin.path, " was stopped"));
    }
    if (!done) break;
  }
  object.tensors = std::move(packer).fingerprints();
  for (const RecordPtr& gone : bases.release()) let_go(gone);
  return done;
}

base::Result<PackedSizes> DiskPackedTier::commit(NewObject& object, ChunkWriter& writer, const PackRequest& terms) {
  auto written = write_manifest_of(object, writer, terms);
  if (!written) return std::unexpected(std::move(written).error());
  return sizes(object.record->id);
}

base::Result<void> DiskPackedTier::write_manifest_of(NewObject& object, ChunkWriter& writer, const PackRequest& terms) {
  PackedRecord& record = *object.record;
  Manifest manifest{.id = record.id, .origin = object.origin, .chunks = {}, .tensors = std::move(object.tensors)};
  auto ready = writer.finish();
  if (ready) {
    manifest.chunks = table_.manifest_chunks(writer.chunks());
    if (terms.make_room) ready = terms.make_room(encode_manifest(manifest).size());
  }
  if (!ready) {
    objects_.unclaim(object.record);
    return ready;
  }
  record.size = object.origin.size;
  record.chunks = writer.chunks();
  for (const TensorFingerprint& tensor : manifest.tensors) record.keys.push_back(tensor.key);
  table_.list(record.chunks);
  if (auto written = files_.write_manifest(manifest)) {
    objects_.set_there(object.record, *written);
    return {};
  } else {
    ready = std::unexpected(std::move(written).error());
  }
  if (files_.delete_manifest(record.id)) {
    let_go(object.record);
    record.chunks.clear();
    objects_.unclaim(object.record);
  } else {
    objects_.condemn(object.record);  // its manifest may be there: it keeps its chunks until it surely is not
  }
  return ready;
}

}  // namespace arenacache::store
