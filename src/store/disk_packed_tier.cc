// SPDX-License-Identifier: Apache-2.0
#include "disk_packed_tier.h"

#include <fcntl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/file_io.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/layout.h"
#include "arenacache/store/packed_tier.h"
#include "open_packed_object.h"
#include "packed_names.h"
#include "raw_names.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

/// As many as threads read ahead at most: memory that was given back would have to be asked for again.
constexpr std::size_t kKeptReaders = 16;

}  // namespace

DiskPackedTier::DiskPackedTier(base::FileIo& io, StoreFolder folder)
    : folder_(std::move(folder)), files_(io, PackedPaths(folder_.path)) {}

base::Result<std::shared_ptr<PackedObject>> DiskPackedTier::open_object(ObjectId id) {
  RecordPtr record = objects_.hold(id);
  if (!record) return base::fail(ErrorKind::corrupt, EIO, base::text("packed object ", id_name(id), " is not there"));
  auto self = std::static_pointer_cast<DiskPackedTier>(shared_from_this());
  auto object = std::make_shared<OpenPackedObject>(std::move(self), std::move(record));
  AC_ASSIGN(const Manifest manifest, files_.read_manifest(id));
  if (!object->is_described_by(manifest)) {
    return base::fail(ErrorKind::corrupt, EIO,
                      base::text("the manifest of packed object ", id_name(id), " is another one than before"));
  }
  return object;
}

base::Result<void> DiskPackedTier::rewrite_origin(ObjectId id, const ObjectOrigin& origin) {
  const RecordPtr record = objects_.claim_there(id);
  if (!record) return base::fail(ErrorKind::corrupt, EIO, base::text("packed object ", id_name(id), " is not there"));
  auto manifest = files_.read_manifest(id);
  if (manifest && manifest->origin.size != origin.size) {
    manifest = base::fail(ErrorKind::invalid, EINVAL, base::text("packed object ", id_name(id), " has another size"));
  }
  if (manifest) manifest->origin = origin;
  auto written = manifest ? files_.write_manifest(*manifest) : std::unexpected(manifest.error());
  if (written) {
    objects_.set_there(record, *written);
    return {};
  }
  // The old one is there, or the new one.
  const auto stat = files_.io().stat(files_.paths().manifest(id));
  objects_.set_there(record, stat ? stat->allocated_bytes : objects_.manifest_bytes(id));
  return std::unexpected(std::move(written).error());
}

base::Result<void> DiskPackedTier::remove(ObjectId id) {
  const RecordPtr record = objects_.claim(id);
  if (!record) return {};
  if (auto deleted = files_.delete_manifest(id); !deleted) {
    objects_.condemn(record);
    return deleted;
  }
  if (objects_.set_removed(record)) let_go(record);
  return {};
}

void DiskPackedTier::release(const RecordPtr& record) {
  if (objects_.release(record)) let_go(record);
}

void DiskPackedTier::let_go(const RecordPtr& record) { files_.delete_chunks(table_, table_.unlist(record->chunks)); }

base::Result<ChunkHead> DiskPackedTier::load_file(const ChunkHash& hash, ChunkReader& reader) {
  auto head = reader.load(files_.io(), files_.paths().chunk(hash), hash);
  if (!head) AC_TRY(note_damage(hash, std::unexpected(head.error())));
  return head;
}

base::Result<void> DiskPackedTier::note_damage(const ChunkHash& hash, base::Result<void> outcome) {
  if (!outcome && (outcome.error().kind == ErrorKind::corrupt || outcome.error().errno_value == EIO)) {
    table_.mark_bad(hash);
  }
  return outcome;
}

base::Result<ChunkHead> DiskPackedTier::read_chunk(const Chunk* chunk, ChunkReader& reader, std::span<std::byte> out) {
  AC_ASSIGN(const ChunkHead head, load_file(chunk->first, reader));
  std::span<const std::byte> base;
  if (head.base) {
    LentReader other(*this);
    AC_ASSIGN(const ChunkHead base_head, load_file(*head.base, *other));
    const auto room = reader.base_room().first(out.size());
    base::Result<void> decoded;
    if (base_head.base || base_head.bytes != head.bytes) {
      decoded = base::fail(ErrorKind::corrupt, EIO, base::text("chunk ", to_text(*head.base), " is no base"));
    } else {
      decoded = other->decode({}, room);
    }
    AC_TRY(note_damage(*head.base, std::move(decoded)));
    base = room;
  }
  AC_TRY(note_damage(chunk->first, reader.decode(base, out)));
  return head;
}

base::Result<void> DiskPackedTier::check_chunk(PackedObject& object, std::uint32_t chunk) {
  const auto& open = static_cast<OpenPackedObject&>(object);
  const Chunk* which = open.chunk(chunk);
  for (const Chunk* each : {which, static_cast<const Chunk*>(which->second.base)}) {
    if (each == nullptr) continue;
    const auto fd = files_.io().open(files_.paths().chunk(each->first), O_RDONLY, 0);
    if (fd) files_.io().drop_cache(fd->get(), 0, 0);
  }
  base::Buffer out(object.chunk_bytes(chunk));
  AC_TRY(object.read_chunk(chunk, out.span()));
  if (chunk_hash_of(out.span()) == which->first) return {};
  return note_damage(which->first, base::fail(ErrorKind::corrupt, EIO,
                                              base::text("chunk ", to_text(which->first), " has other bytes")));
}

PackedSizes DiskPackedTier::sizes(ObjectId id) const {
  const RecordPtr record = objects_.find(id);
  if (!record) return {};
  PackedSizes out = table_.sizes(record->chunks);
  out.stored_bytes += objects_.manifest_bytes(id);
  return out;
}

PackedTotals DiskPackedTier::totals() const {
  PackedTotals out;
  objects_.add_totals(out);
  table_.add_totals(out);
  return out;
}

std::uint64_t DiskPackedTier::used_bytes() const { return objects_.manifest_bytes() + table_.used_bytes(); }

void DiskPackedTier::check_invariants() const {
  objects_.check_invariants();
  table_.check_invariants(objects_.listings());
}

DiskPackedTier::LentReader::LentReader(DiskPackedTier& tier) : tier_(tier) {
  {
    base::MutexLock lock(tier_.readers_mutex_);
    if (!tier_.readers_.empty()) {
      reader_ = std::move(tier_.readers_.back());
      tier_.readers_.pop_back();
    }
  }
  if (!reader_) reader_ = std::make_unique<ChunkReader>();
}

DiskPackedTier::LentReader::~LentReader() {
  base::MutexLock lock(tier_.readers_mutex_);
  if (tier_.readers_.size() < kKeptReaders) tier_.readers_.push_back(std::move(reader_));
}

}  // namespace arenacache::store
