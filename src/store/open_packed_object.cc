// SPDX-License-Identifier: Apache-2.0
#include "open_packed_object.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "arenacache/base/result.h"
#include "disk_packed_tier.h"
#include "manifest.h"

namespace arenacache::store {

OpenPackedObject::OpenPackedObject(std::shared_ptr<DiskPackedTier> tier, RecordPtr record)
    : tier_(std::move(tier)), record_(std::move(record)) {
  begins_.reserve(record_->chunks.size());
  std::uint64_t at = 0;
  for (const Chunk* chunk : record_->chunks) {
    begins_.push_back(at);
    at += chunk->second.bytes;
  }
}

OpenPackedObject::~OpenPackedObject() { tier_->release(record_); }

std::uint32_t OpenPackedObject::chunk_count() const { return static_cast<std::uint32_t>(record_->chunks.size()); }

std::uint32_t OpenPackedObject::chunk_at(std::uint64_t offset) const {
  AC_CHECK(offset < record_->size);
  return static_cast<std::uint32_t>(std::ranges::upper_bound(begins_, offset) - begins_.begin() - 1);
}

std::uint32_t OpenPackedObject::chunk_bytes(std::uint32_t chunk) const { return record_->chunks[chunk]->second.bytes; }

base::Result<void> OpenPackedObject::read_chunk(std::uint32_t chunk, std::span<std::byte> out) {
  AC_CHECK(chunk < chunk_count() && out.size() == chunk_bytes(chunk));
  DiskPackedTier::LentReader reader(*tier_);
  AC_TRY(tier_->read_chunk(record_->chunks[chunk], *reader, out));
  return {};
}

bool OpenPackedObject::is_described_by(const Manifest& manifest) const {
  return std::ranges::equal(manifest.chunks, record_->chunks, {}, &ManifestChunk::hash,
                            [](const Chunk* chunk) { return chunk->first; });
}

}  // namespace arenacache::store
