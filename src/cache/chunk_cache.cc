// SPDX-License-Identifier: Apache-2.0
#include "chunk_cache.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "arenacache/base/units.h"

namespace arenacache::cache {
namespace {

/// While some wait for the disk, others decode.
constexpr unsigned kThreadsPerProcessor = 2;
constexpr unsigned kMostThreads = 16;
constexpr std::size_t kMostSpare = 8;
/// How far ahead of a reader is decoded, at least: a chunk for each thread, and one or two that are there when a reader comes to them.
constexpr std::uint64_t kLeastAheadBytes = 16 * base::kMiB;

}  // namespace

base::Buffer SpareBuffers::take(std::size_t size) {
  {
    const base::MutexLock lock(mutex_);
    const auto fit = std::ranges::find(buffers_, size, &base::Buffer::size);
    if (fit != buffers_.end()) {
      base::Buffer found = std::move(*fit);
      buffers_.erase(fit);
      return found;
    }
  }
  return base::Buffer(size);
}

std::shared_ptr<const base::Buffer> SpareBuffers::share(base::Buffer buffer) {
  return {new base::Buffer(std::move(buffer)), [spare = shared_from_this()](base::Buffer* done) {
            spare->give_back(std::move(*done));
            delete done;  // NOLINT(cppcoreguidelines-owning-memory): share() made it
          }};
}

void SpareBuffers::give_back(base::Buffer buffer) {
  base::Buffer oldest;  // freed without the lock
  const base::MutexLock lock(mutex_);
  if (buffers_.size() == kMostSpare) {
    oldest = std::move(buffers_.front());
    buffers_.erase(buffers_.begin());
  }
  buffers_.push_back(std::move(buffer));
}

/// One chunk on its way.
struct ChunkCache::Decoding {
  const Key key;
  const PackedFile file;
  const std::uint32_t chunk;
  // Guarded by the cache's mutex.
  bool is_taken = false;  ///< some thread is at it
  std::optional<base::Result<Chunk>> result;
};

void ChunkCache::start() {
  const base::MutexLock lock(mutex_);
  const unsigned threads =
      std::min(kThreadsPerProcessor * std::max(std::thread::hardware_concurrency(), 1U), kMostThreads);
  ahead_bytes_ = std::max(kLeastAheadBytes, std::uint64_t{threads + 2} * store::kMaxChunkBytes);
  if (!pool_) pool_ = std::make_shared<base::ThreadPool>("decode", threads);
}

void ChunkCache::stop() {
  std::shared_ptr<base::ThreadPool> pool;
  {
    const base::MutexLock lock(mutex_);
    pool = std::move(pool_);
  }
  if (pool) pool->stop();
}

void ChunkCache::set_capacity(std::uint64_t bytes) {
  std::vector<Chunk> gone;
  const base::MutexLock lock(mutex_);
  capacity_ = bytes;
  make_room_locked(0, gone);
}

ChunkCache::Key ChunkCache::key_of(const PackedFile& file, std::uint32_t chunk) {
  return {.tier = file.tier->number, .hash = file.object->chunk_hash(chunk)};
}

std::shared_ptr<ChunkCache::Decoding> ChunkCache::enter_locked(const PackedFile& file, std::uint32_t chunk) {
  const std::uint32_t size = file.object->chunk_bytes(chunk);
  auto decoding = std::make_shared<Decoding>(
      Decoding{.key = key_of(file, chunk), .file = file, .chunk = chunk, .is_taken = false, .result = std::nullopt});
  entries_.emplace(decoding->key, Entry{.bytes = nullptr, .decoding = decoding, .size = size, .place = {}});
  used_ += size;
  return decoding;
}

bool ChunkCache::make_room_locked(std::uint64_t bytes, std::vector<Chunk>& gone) {
  while (used_ + bytes > capacity_ && !order_.empty()) {
    const auto it = entries_.find(order_.front());
    used_ -= it->second.size;
    gone.push_back(std::move(it->second.bytes));
    entries_.erase(it);
    order_.pop_front();
  }
  return used_ + bytes <= capacity_;
}

base::Result<ChunkCache::Chunk> ChunkCache::get(const PackedFile& file, std::uint32_t chunk) {
  std::shared_ptr<Decoding> decoding;
  std::vector<Chunk> gone;
  {
    base::MutexLock lock(mutex_);
    if (const auto it = entries_.find(key_of(file, chunk)); it != entries_.end()) {
      if (it->second.bytes) {
        order_.splice(order_.end(), order_, it->second.place);
        return it->second.bytes;
      }
      decoding = it->second.decoding;
    } else {
      make_room_locked(file.object->chunk_bytes(chunk), gone);
      decoding = enter_locked(file, chunk);
    }
    // One that only waits for a thread of ours is decoded here and now.
    if (std::exchange(decoding->is_taken, true)) {
      while (!decoding->result) decoded_.wait(lock);
      return *decoding->result;
    }
  }
  gone.clear();
  run(decoding);
  const base::MutexLock lock(mutex_);
  return *decoding->result;
}

void ChunkCache::run(const std::shared_ptr<Decoding>& decoding) {
  auto result = decode(decoding->file, decoding->chunk);
  const base::MutexLock lock(mutex_);
  const auto it = entries_.find(decoding->key);
  if (result && used_ <= capacity_) {
    it->second.bytes = *result;
    it->second.decoding = nullptr;
    it->second.place = order_.insert(order_.end(), decoding->key);
  } else {
    used_ -= it->second.size;
    entries_.erase(it);
  }
  decoding->result = std::move(result);
  decoded_.notify_all();
}

base::Result<ChunkCache::Chunk> ChunkCache::decode(const PackedFile& file, std::uint32_t chunk) const {
  const auto began = clock_.now();
  base::Buffer bytes = spare_->take(file.object->chunk_bytes(chunk));
  AC_TRY(file.object->read_chunk(chunk, bytes.span()));
  file.tier->decoded_bytes.add(bytes.size());
  file.tier->decode_ns.add(static_cast<std::uint64_t>((clock_.now() - began).count()));
  return spare_->share(std::move(bytes));
}

base::Result<void> ChunkCache::read(const PackedFile& file, std::span<std::byte> out, std::uint64_t offset) {
  while (!out.empty()) {
    const std::uint32_t chunk = file.object->chunk_at(offset);
    AC_ASSIGN(const Chunk bytes, get(file, chunk));
    const auto from = bytes->span().subspan(offset - file.object->chunk_offset(chunk));
    const std::size_t length = std::min(from.size(), out.size());
    std::memcpy(out.data(), from.data(), length);
    out = out.subspan(length);
    offset += length;
  }
  return {};
}

void ChunkCache::decode_ahead(const PackedFile& file, std::uint32_t chunk, std::uint32_t most) {
  std::vector<std::shared_ptr<Decoding>> wanted;
  std::vector<Chunk> gone;
  std::shared_ptr<base::ThreadPool> pool;
  {
    const base::MutexLock lock(mutex_);
    pool = pool_;
    if (!pool) return;
    std::uint64_t ahead = 0;
    const std::uint32_t behind = file.object->chunk_count() - 1 - chunk;
    const std::uint32_t end = chunk + 1 + std::min(behind, most);
    for (std::uint32_t next = chunk + 1; next < end && ahead < ahead_bytes_; ++next) {
      const std::uint32_t size = file.object->chunk_bytes(next);
      ahead += size;
      if (entries_.contains(key_of(file, next))) continue;
      if (!make_room_locked(size, gone)) break;
      wanted.push_back(enter_locked(file, next));
    }
  }
  for (auto& decoding : wanted) {
    pool->submit("decode", [this, decoding] {
      {
        const base::MutexLock lock(mutex_);
        if (std::exchange(decoding->is_taken, true)) return;
      }
      run(decoding);
    });
  }
}

void ChunkCache::let_go_before(const PackedFile& file, std::uint64_t offset) {
  std::vector<Chunk> gone;  // freed without the lock
  const base::MutexLock lock(mutex_);
  if (file.object->size() <= capacity_ / 2) return;
  for (std::uint32_t next = file.object->chunk_at(offset); next > 0; --next) {
    const auto it = entries_.find(key_of(file, next - 1));
    if (it == entries_.end() || !it->second.bytes) return;
    used_ -= it->second.size;
    order_.erase(it->second.place);
    gone.push_back(std::move(it->second.bytes));
    entries_.erase(it);
  }
}

std::uint64_t ChunkCache::used_bytes() const {
  const base::MutexLock lock(mutex_);
  return used_;
}

void ChunkCache::check_invariants() const {
  const base::MutexLock lock(mutex_);
  std::uint64_t used = 0;
  std::size_t there = 0;
  for (const auto& [key, entry] : entries_) {
    AC_CHECK((entry.bytes == nullptr) == (entry.decoding != nullptr));
    used += entry.size;
    if (entry.bytes) ++there;
  }
  AC_CHECK(used == used_ && there == order_.size());
}

}  // namespace arenacache::cache
