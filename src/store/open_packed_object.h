// SPDX-License-Identifier: Apache-2.0
// OpenPackedObject: a packed object that is open: its record, held, and where each chunk begins.
// Threads: any. Owner: a hold on its record, given back when it ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/store/chunk.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/packed_tier.h"
#include "chunk_table.h"
#include "manifest.h"
#include "packed_objects.h"

namespace arenacache::store {

class DiskPackedTier;

class OpenPackedObject final : public PackedObject {
 public:
  /// Takes over one hold on `record`.
  OpenPackedObject(std::shared_ptr<DiskPackedTier> tier, RecordPtr record);
  ~OpenPackedObject() override;
  OpenPackedObject(const OpenPackedObject&) = delete;
  OpenPackedObject& operator=(const OpenPackedObject&) = delete;

  [[nodiscard]] ObjectId id() const override { return record_->id; }
  [[nodiscard]] std::uint64_t size() const override { return record_->size; }
  [[nodiscard]] std::uint32_t chunk_count() const override;
  [[nodiscard]] std::uint32_t chunk_at(std::uint64_t offset) const override;
  [[nodiscard]] std::uint64_t chunk_offset(std::uint32_t chunk) const override { return begins_[chunk]; }
  [[nodiscard]] std::uint32_t chunk_bytes(std::uint32_t chunk) const override;
  [[nodiscard]] ChunkHash chunk_hash(std::uint32_t chunk) const override { return record_->chunks[chunk]->first; }
  base::Result<void> read_chunk(std::uint32_t chunk, std::span<std::byte> out) override;

  [[nodiscard]] const Chunk* chunk(std::uint32_t chunk) const { return record_->chunks[chunk]; }
  [[nodiscard]] const std::vector<Chunk*>& chunks() const { return record_->chunks; }
  /// Whether the manifest lists the chunks that this object has.
  [[nodiscard]] bool is_described_by(const Manifest& manifest) const;

 private:
  const std::shared_ptr<DiskPackedTier> tier_;
  const RecordPtr record_;
  std::vector<std::uint64_t> begins_;
};

}  // namespace arenacache::store
