// SPDX-License-Identifier: Apache-2.0
// ChunkCache: the chunks of packed files that are read now, decoded, in memory.
// Promises: a chunk is decoded once however many wait for it; what is kept, and what is decoded ahead of readers, is within the
// capacity, those not used for longest going first (beyond it come only the chunks that callers wait for: one a thread).
// Threads: any; a few of its own that decode ahead. Locks: one, a leaf, not held while a chunk is decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/store/chunk.h"
#include "tier.h"

namespace arenacache::cache {

/// The memory of chunks that nobody has any more, for the next ones: to be given new pages by the kernel takes longer than to decode
/// what goes there. A few at most. Threads: any.
class SpareBuffers : public std::enable_shared_from_this<SpareBuffers> {
 public:
  /// A buffer of `size` bytes with anything in it.
  [[nodiscard]] base::Buffer take(std::size_t size);
  /// Shares `buffer`; it comes back here when the last share goes.
  [[nodiscard]] std::shared_ptr<const base::Buffer> share(base::Buffer buffer);

 private:
  void give_back(base::Buffer buffer);

  base::Mutex mutex_;
  std::vector<base::Buffer> buffers_ AC_GUARDED_BY(mutex_);
};

class ChunkCache {
 public:
  using Chunk = std::shared_ptr<const base::Buffer>;

  explicit ChunkCache(const base::Clock& clock) : clock_(clock) {}
  ~ChunkCache() { stop(); }
  ChunkCache(const ChunkCache&) = delete;
  ChunkCache& operator=(const ChunkCache&) = delete;

  /// Starts the threads that decode ahead: two a processor, at most sixteen.
  void start();
  /// Ends them. What is asked for is still decoded, by who asks.
  void stop();
  void set_capacity(std::uint64_t bytes);

  /// One chunk, decoded. Blocks on the disk and the processor, or on who decodes it already.
  /// ErrorKind::corrupt or store: the copy cannot be read.
  base::Result<Chunk> get(const PackedFile& file, std::uint32_t chunk);
  /// Exactly out.size() bytes at `offset`, as get().
  base::Result<void> read(const PackedFile& file, std::span<std::byte> out, std::uint64_t offset);
  /// Somebody goes on in order behind chunk `chunk`: begins to decode those after it, `most` of them at most. Blocks on nothing.
  void decode_ahead(const PackedFile& file, std::uint32_t chunk, std::uint32_t most = UINT32_MAX);
  /// Somebody who goes on in order needs nothing before `offset` any more: lets go of the chunks that end there, if the cache could not keep
  /// the file until it is read again anyway. Their memory is taken for the chunks ahead while the processor's cache still has it.
  void let_go_before(const PackedFile& file, std::uint64_t offset);

  [[nodiscard]] std::uint64_t used_bytes() const;
  void check_invariants() const;

 private:
  struct Key {
    unsigned tier = 0;
    store::ChunkHash hash;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const { return static_cast<std::size_t>(key.hash.low) + key.tier; }
  };
  struct Decoding;
  struct Entry {
    Chunk bytes;  ///< null: being decoded
    std::shared_ptr<Decoding> decoding;  ///< null: it is there
    std::uint32_t size = 0;
    std::list<Key>::iterator place;  ///< in order_, once it is there
  };
  using Entries = std::unordered_map<Key, Entry, KeyHash>;

  static Key key_of(const PackedFile& file, std::uint32_t chunk);
  /// Decodes what `decoding` is about, and tells who waits. Called by who set its `is_taken`.
  void run(const std::shared_ptr<Decoding>& decoding);
  base::Result<Chunk> decode(const PackedFile& file, std::uint32_t chunk) const;
  std::shared_ptr<Decoding> enter_locked(const PackedFile& file, std::uint32_t chunk) AC_REQUIRES(mutex_);
  /// Lets go of chunks until `bytes` more fit; the caller frees them without the lock. False: those that are being decoded alone take
  /// too much.
  bool make_room_locked(std::uint64_t bytes, std::vector<Chunk>& gone) AC_REQUIRES(mutex_);

  const base::Clock& clock_;
  const std::shared_ptr<SpareBuffers> spare_ = std::make_shared<SpareBuffers>();
  mutable base::Mutex mutex_;
  base::CondVar decoded_;
  std::uint64_t capacity_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t used_ AC_GUARDED_BY(mutex_) = 0;  ///< of all entries
  std::uint64_t ahead_bytes_ AC_GUARDED_BY(mutex_) = 0;  ///< how far ahead of a reader is decoded
  Entries entries_ AC_GUARDED_BY(mutex_);
  std::list<Key> order_ AC_GUARDED_BY(mutex_);  ///< those that are there; front: not used for longest
  std::shared_ptr<base::ThreadPool> pool_ AC_GUARDED_BY(mutex_);  ///< null: nothing is decoded ahead
};

}  // namespace arenacache::cache
