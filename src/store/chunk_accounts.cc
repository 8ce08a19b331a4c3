// SPDX-License-Identifier: Apache-2.0
// The chunk table's sums: what chunks are and take.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/store/packed_tier.h"
#include "chunk_table.h"
#include "manifest.h"

namespace arenacache::store {

void ChunkTable::add_file_locked(ChunkState& state, std::uint32_t disk_bytes) {
  state.is_placed = true;
  state.disk_bytes = disk_bytes;
  ++totals_.chunks;
  totals_.unique_bytes += state.bytes;
  totals_.stored_bytes += disk_bytes;
  if (state.base == nullptr) return;
  totals_.delta_unique_bytes += state.bytes;
  totals_.delta_stored_bytes += disk_bytes;
}

void ChunkTable::remove_file_locked(ChunkState& state) {
  --totals_.chunks;
  totals_.unique_bytes -= state.bytes;
  totals_.stored_bytes -= state.disk_bytes;
  if (state.base != nullptr) {
    totals_.delta_unique_bytes -= state.bytes;
    totals_.delta_stored_bytes -= state.disk_bytes;
  }
  state.is_placed = false;
  state.disk_bytes = 0;
}

void ChunkTable::set_disk_bytes(Chunk* chunk, std::uint32_t bytes) {
  base::MutexLock lock(mutex_);
  if (!chunk->second.is_placed) return;
  remove_file_locked(chunk->second);
  add_file_locked(chunk->second, bytes);
}

std::vector<ManifestChunk> ChunkTable::manifest_chunks(std::span<Chunk* const> chunks) const {
  base::MutexLock lock(mutex_);
  std::vector<ManifestChunk> out;
  out.reserve(chunks.size());
  for (const Chunk* chunk : chunks) {
    const ChunkState& state = chunk->second;
    ManifestChunk& row = out.emplace_back(
        ManifestChunk{.hash = chunk->first, .bytes = state.bytes, .disk_bytes = state.disk_bytes, .base = {}});
    if (state.base != nullptr) {
      row.base = ManifestChunk::Base{.hash = state.base->first, .disk_bytes = state.base->second.disk_bytes};
    }
  }
  return out;
}

PackedSizes ChunkTable::sizes(std::span<Chunk* const> chunks) const {
  std::vector<Chunk*> sorted(chunks.begin(), chunks.end());
  std::ranges::sort(sorted);
  PackedSizes out;
  base::MutexLock lock(mutex_);
  for (auto it = sorted.begin(); it != sorted.end();) {
    const ChunkState& state = (*it)->second;
    const auto next = std::find_if(it, sorted.end(), [&](const Chunk* other) { return other != *it; });
    const auto times = static_cast<std::uint64_t>(next - it);
    it = next;
    out.logical_bytes += times * state.bytes;
    if (state.base != nullptr) out.delta_bytes += times * state.bytes;
    if (state.refs > times) {
      out.shared_bytes += times * state.bytes;
    } else {
      out.stored_bytes += state.disk_bytes;
    }
  }
  return out;
}

void ChunkTable::add_totals(PackedTotals& totals) const {
  base::MutexLock lock(mutex_);
  totals.chunks += totals_.chunks;
  totals.unique_bytes += totals_.unique_bytes;
  totals.stored_bytes += totals_.stored_bytes + pending_bytes_;
  totals.delta_unique_bytes += totals_.delta_unique_bytes;
  totals.delta_stored_bytes += totals_.delta_stored_bytes;
}

void ChunkTable::add_pending(std::uint64_t bytes) {
  base::MutexLock lock(mutex_);
  pending_bytes_ += bytes;
}

void ChunkTable::remove_pending(std::uint64_t bytes) {
  base::MutexLock lock(mutex_);
  pending_bytes_ -= bytes;
}

std::uint64_t ChunkTable::used_bytes() const {
  base::MutexLock lock(mutex_);
  return totals_.stored_bytes + pending_bytes_;
}

void ChunkTable::check_invariants(const std::unordered_map<const Chunk*, std::uint32_t>& listings) const {
  base::MutexLock lock(mutex_);
  PackedTotals totals;
  std::unordered_map<const Chunk*, std::uint32_t> deltas;
  std::size_t listed = 0;
  for (const Chunk& chunk : chunks_) {
    const ChunkState& state = chunk.second;
    AC_CHECK(state.is_placed || state.pins > 0 || state.is_busy);
    AC_CHECK(state.refs == 0 || state.is_placed);
    const auto listing = listings.find(&chunk);
    if (listing != listings.end()) ++listed;
    AC_CHECK(state.refs == (listing == listings.end() ? 0 : listing->second));
    if (state.base != nullptr) {
      AC_CHECK(state.base->second.base == nullptr && state.base->second.bytes == state.bytes);
      ++deltas[state.base];
    }
    if (!state.is_placed) continue;
    ++totals.chunks;
    totals.unique_bytes += state.bytes;
    totals.stored_bytes += state.disk_bytes;
    if (state.base != nullptr) totals.delta_unique_bytes += state.bytes;
    if (state.base != nullptr) totals.delta_stored_bytes += state.disk_bytes;
  }
  AC_CHECK(listed == listings.size());
  for (const Chunk& chunk : chunks_) {
    const auto built_on = deltas.find(&chunk);
    AC_CHECK(chunk.second.deltas == (built_on == deltas.end() ? 0 : built_on->second));
  }
  AC_CHECK(totals.chunks == totals_.chunks && totals.unique_bytes == totals_.unique_bytes &&
           totals.stored_bytes == totals_.stored_bytes);
  AC_CHECK(totals.delta_unique_bytes == totals_.delta_unique_bytes &&
           totals.delta_stored_bytes == totals_.delta_stored_bytes);
}

}  // namespace arenacache::store
