// SPDX-License-Identifier: Apache-2.0
#include "chunk_table.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/chunk.h"
#include "arenacache/store/packed_tier.h"
#include "manifest.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

std::unexpected<base::Error> contradiction(const ChunkHash& hash) {
  return base::fail(ErrorKind::corrupt, EIO, base::text("chunk ", to_text(hash), " is known as another one"));
}

}  // namespace

bool ChunkState::is_good() const {
  return is_placed && !is_bad && (base == nullptr || is_mended || !base->second.is_bad);
}

base::Result<Chunk*> ChunkTable::pin(const ChunkHash& hash, std::uint32_t bytes) {
  base::MutexLock lock(mutex_);
  auto it = chunks_.find(hash);
  while (it != chunks_.end() && it->second.is_busy) {
    changed_.wait(lock);
    it = chunks_.find(hash);
  }
  if (it == chunks_.end()) it = chunks_.emplace(hash, ChunkState{.bytes = bytes}).first;
  if (it->second.bytes != bytes) return contradiction(hash);
  ++it->second.pins;
  return &*it;
}

Chunk* ChunkTable::pin_as_base(Chunk* chunk) {
  base::MutexLock lock(mutex_);
  Chunk* base = chunk->second.base == nullptr ? chunk : chunk->second.base;
  ChunkState& state = base->second;
  if (!state.is_placed || state.is_bad || state.base != nullptr) return nullptr;
  ++state.pins;
  return base;
}

std::vector<Chunk*> ChunkTable::unpin(std::span<Chunk* const> chunks) {
  base::MutexLock lock(mutex_);
  std::vector<Chunk*> unneeded;
  for (Chunk* chunk : chunks) {
    AC_CHECK(chunk->second.pins > 0);
    --chunk->second.pins;
    if (Chunk* gone = let_go_locked(chunk)) unneeded.push_back(gone);
  }
  return unneeded;
}

Standing ChunkTable::standing(const Chunk* chunk) const {
  base::MutexLock lock(mutex_);
  if (chunk->second.is_good()) return Standing::there;
  return chunk->second.is_placed ? Standing::damaged : Standing::missing;
}

Chunk* ChunkTable::first_unseen(Chunk* chunk) const {
  base::MutexLock lock(mutex_);
  const auto is_unseen = [](const ChunkState& state) { return state.is_placed && !state.is_seen; };
  if (is_unseen(chunk->second)) return chunk;
  Chunk* base = chunk->second.is_mended ? nullptr : chunk->second.base;
  return base != nullptr && is_unseen(base->second) ? base : nullptr;
}

void ChunkTable::set_seen(Chunk* chunk, bool is_good) {
  base::MutexLock lock(mutex_);
  chunk->second.is_seen = true;
  if (!is_good) chunk->second.is_bad = true;
}

void ChunkTable::mark_bad(const ChunkHash& hash) {
  base::MutexLock lock(mutex_);
  const auto it = chunks_.find(hash);
  if (it != chunks_.end()) it->second.is_bad = true;
}

bool ChunkTable::begin_placing(Chunk* chunk, bool is_difference) {
  base::MutexLock lock(mutex_);
  ChunkState& state = chunk->second;
  while (state.is_busy) changed_.wait(lock);
  if (state.is_good() || (state.is_placed && is_difference)) return false;
  state.is_busy = true;
  return true;
}

void ChunkTable::placed(Chunk* chunk, std::uint32_t disk_bytes, Chunk* base) {
  base::MutexLock lock(mutex_);
  ChunkState& state = chunk->second;
  AC_CHECK(state.is_busy);
  if (state.is_placed) {
    // It was damaged. The objects that list it say in their manifests what it was the difference to: that stays, needed or not.
    AC_CHECK(base == nullptr);
    remove_file_locked(state);
    state.is_mended = true;
  } else if (base != nullptr) {
    AC_CHECK(base->second.base == nullptr && base->second.pins > 0 && state.deltas == 0);
    state.base = base;
    ++base->second.deltas;
  }
  add_file_locked(state, disk_bytes);
  state.is_seen = true;
  state.is_bad = false;
  state.is_durable = false;
  state.is_busy = false;
  changed_.notify_all();
}

void ChunkTable::not_placed(Chunk* chunk) {
  base::MutexLock lock(mutex_);
  chunk->second.is_busy = false;
  changed_.notify_all();
}

std::vector<Chunk*> ChunkTable::not_durable(std::span<Chunk* const> chunks) const {
  base::MutexLock lock(mutex_);
  std::vector<Chunk*> out;
  for (Chunk* chunk : chunks) {
    for (Chunk* each : {chunk, chunk->second.base}) {
      if (each != nullptr && each->second.is_placed && !each->second.is_durable) out.push_back(each);
    }
  }
  return out;
}

void ChunkTable::set_durable(std::span<Chunk* const> chunks) {
  base::MutexLock lock(mutex_);
  for (Chunk* chunk : chunks) chunk->second.is_durable = true;
}

void ChunkTable::list(std::span<Chunk* const> chunks) {
  base::MutexLock lock(mutex_);
  for (Chunk* chunk : chunks) {
    AC_CHECK(chunk->second.pins > 0 && chunk->second.is_placed);
    ++chunk->second.refs;
  }
}

std::vector<Chunk*> ChunkTable::unlist(std::span<Chunk* const> chunks) {
  base::MutexLock lock(mutex_);
  std::vector<Chunk*> unneeded;
  for (Chunk* chunk : chunks) {
    AC_CHECK(chunk->second.refs > 0);
    --chunk->second.refs;
    if (Chunk* gone = let_go_locked(chunk)) unneeded.push_back(gone);
  }
  return unneeded;
}

Chunk* ChunkTable::deleted(Chunk* chunk, bool is_done) {
  base::MutexLock lock(mutex_);
  ChunkState& state = chunk->second;
  AC_CHECK(state.is_busy && !is_needed(state));
  changed_.notify_all();
  state.is_busy = false;
  if (!is_done && state.is_placed) return nullptr;
  Chunk* base = state.base;
  if (state.is_placed) remove_file_locked(state);
  chunks_.erase(chunks_.find(chunk->first));
  if (base == nullptr) return nullptr;
  --base->second.deltas;
  return let_go_locked(base);
}

Chunk* ChunkTable::claim_orphan(const ChunkHash& hash) {
  base::MutexLock lock(mutex_);
  auto it = chunks_.find(hash);
  if (it == chunks_.end()) it = chunks_.emplace(hash, ChunkState{}).first;
  if (it->second.is_busy || is_needed(it->second)) return nullptr;
  it->second.is_busy = true;
  return &*it;
}

std::vector<Chunk*> ChunkTable::claim_unneeded() {
  base::MutexLock lock(mutex_);
  std::vector<Chunk*> out;
  for (Chunk& chunk : chunks_) {
    if (chunk.second.is_busy || is_needed(chunk.second)) continue;
    chunk.second.is_busy = true;
    out.push_back(&chunk);
  }
  return out;
}

base::Result<std::vector<Chunk*>> ChunkTable::adopt(const std::vector<ManifestChunk>& chunks,
                                                    std::vector<Chunk*>& disputed) {
  std::vector<Chunk*> listed;
  listed.reserve(chunks.size());
  base::MutexLock lock(mutex_);
  for (const ManifestChunk& chunk : chunks) {
    auto adopted = adopt_locked(chunk, disputed);
    if (!adopted) {
      // Nothing is deleted here: manifests that are read after this one may list the same chunks.
      for (Chunk* earlier : listed) --earlier->second.refs;
      return std::unexpected(std::move(adopted).error());
    }
    ++(*adopted)->second.refs;
    listed.push_back(*adopted);
  }
  return listed;
}

base::Result<Chunk*> ChunkTable::adopt_locked(const ManifestChunk& chunk, std::vector<Chunk*>& disputed) {
  const auto take = [&](const ChunkHash& hash, std::uint32_t disk_bytes) AC_NO_THREAD_SAFETY_ANALYSIS {
    const auto [it, is_new] = chunks_.emplace(hash, ChunkState{.bytes = chunk.bytes});
    if (is_new) {
      it->second.is_durable = true;
      add_file_locked(it->second, disk_bytes);
    } else if (it->second.disk_bytes != disk_bytes) {
      disputed.push_back(&*it);
    }
    return std::pair(&*it, is_new);
  };
  Chunk* base = nullptr;
  if (chunk.base) {
    base = take(chunk.base->hash, chunk.base->disk_bytes).first;
    if (base->second.bytes != chunk.bytes || base->second.base != nullptr) return contradiction(chunk.base->hash);
  }
  const auto [out, is_new] = take(chunk.hash, chunk.disk_bytes);
  if (is_new && base != nullptr) {
    remove_file_locked(out->second);
    out->second.base = base;
    add_file_locked(out->second, chunk.disk_bytes);
    ++base->second.deltas;
  }
  if (out->second.bytes != chunk.bytes || out->second.base != base) return contradiction(chunk.hash);
  return out;
}

Chunk* ChunkTable::let_go_locked(Chunk* chunk) {
  ChunkState& state = chunk->second;
  if (is_needed(state) || state.is_busy) return nullptr;
  if (!state.is_placed) {
    chunks_.erase(chunks_.find(chunk->first));
    return nullptr;
  }
  state.is_busy = true;
  return chunk;
}

}  // namespace arenacache::store
