// SPDX-License-Identifier: Apache-2.0
// ChunkWriter: writes the chunks of one object that the tier does not have, and keeps the others where they are, until it ends.
// Promises: after finish() every chunk that was taken is on the disk, durably. What was written and is listed by nobody when the
// writer ends is deleted. A chunk that two writers write at once stays once.
// Threads: one. Takes a file descriptor for each of the 16 chunks that are on their way to the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/store/chunk.h"
#include "chunk_table.h"
#include "packed_files.h"

namespace arenacache::store {

class ChunkWriter {
 public:
  ChunkWriter(PackedFiles& files, ChunkTable& table) : files_(files), table_(table) {}
  ~ChunkWriter();
  ChunkWriter(const ChunkWriter&) = delete;
  ChunkWriter& operator=(const ChunkWriter&) = delete;

  struct Taken {
    Chunk* chunk = nullptr;
    bool is_missing = false;  ///< write() is to follow
    bool must_stand_alone = false;  ///< write it without a base: it was there, damaged
  };
  /// The object's next chunk.
  base::Result<Taken> take(const ChunkHash& hash, std::uint32_t bytes);
  /// A chunk that is no part of the object, but that differences are to be built on.
  base::Result<Taken> take_apart(const ChunkHash& hash, std::uint32_t bytes);
  /// Pins what a difference to `chunk` can be built on, as ChunkTable::pin_as_base().
  Chunk* take_base(Chunk* chunk);
  /// Writes the chunk's file under a temporary name; it gets its own in a group with others.
  /// @param base of the difference that `frame` is, from take_base(); null for none.
  base::Result<void> write(Chunk* chunk, Chunk* base, std::span<const std::byte> frame);
  /// Gives what was written so far its name.
  base::Result<void> place_pending();
  /// Makes everything durable.
  base::Result<void> finish();
  /// All chunks taken, in order.
  [[nodiscard]] const std::vector<Chunk*>& chunks() const { return taken_; }

 private:
  struct Pending {
    Chunk* chunk = nullptr;
    Chunk* base = nullptr;
    base::UniqueFd fd;
    std::string temporary;
    std::uint64_t number = 0;
    std::uint64_t bytes = 0;
  };

  base::Result<Taken> look_at(Chunk* chunk);
  base::Result<void> place(Pending& pending);
  void drop(Pending& pending);

  PackedFiles& files_;
  ChunkTable& table_;
  std::vector<Chunk*> taken_;  ///< each pinned
  std::vector<Chunk*> bases_;  ///< each pinned
  std::vector<Pending> pending_;
};

}  // namespace arenacache::store
