// SPDX-License-Identifier: Apache-2.0
// A chunk's file: a head that says what it is, then the codec's frame of it. docs/on-disk.md, "A packed tier", has every byte.
// Promises: no byte of a file is believed before it was checked; nothing is allocated by what one says.
// Threads: any; a ChunkReader serves one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "arenacache/base/buffer.h"
#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/codec/decoder.h"
#include "arenacache/store/chunk.h"
#include "little_endian.h"

namespace arenacache::store {

inline constexpr std::size_t kChunkHeadBytes = 64;

struct ChunkHead {
  ChunkHash hash;  ///< of the decoded bytes: the file's name
  std::optional<ChunkHash> base;  ///< the chunk that it is the difference to
  std::uint32_t bytes = 0;  ///< decoded; 1 to kMaxChunkBytes
  std::uint32_t frame_bytes = 0;  ///< of the frame, which is the rest of the file
};

using ChunkHeadBytes = std::array<std::byte, kChunkHeadBytes>;

/// @param head what a good head can say: decode_chunk_head() takes it back.
[[nodiscard]] ChunkHeadBytes encode_chunk_head(const ChunkHead& head);
/// @param file the file's first kChunkHeadBytes bytes, or more. corrupt: it is no head, or one that cannot be.
[[nodiscard]] base::Result<ChunkHead> decode_chunk_head(std::span<const std::byte> file);

/// A chunk's name, as the store's files have it.
[[nodiscard]] ChunkHash take_hash(LittleEndianReader& in);

/// Looks at a chunk's file without reading its frame: is it there, of the right length, and of the chunk that its name says?
/// corrupt: no.
base::Result<void> look_at_chunk(base::FileIo& io, const std::string& path, const ChunkHash& hash);

/// Reads and decodes chunks. Owner: its buffers, of a chunk's size each.
class ChunkReader {
 public:
  ChunkReader();

  /// Reads the file at `path` whole and takes it apart, past the page cache where that can be. corrupt: gone, or not of `hash`, or damaged.
  base::Result<ChunkHead> load(base::FileIo& io, const std::string& path, const ChunkHash& hash);
  /// Decodes what was loaded last. @param base empty unless the head names one. @param out exactly ChunkHead::bytes.
  base::Result<void> decode(std::span<const std::byte> base, std::span<std::byte> out);
  /// What was loaded last: a head and a frame.
  [[nodiscard]] std::span<const std::byte> file() const { return file_.span().first(file_bytes_); }
  [[nodiscard]] std::span<const std::byte> frame() const { return file().subspan(kChunkHeadBytes); }
  /// Room for a base's bytes.
  [[nodiscard]] std::span<std::byte> base_room() { return base_.span(); }

 private:
  base::Buffer file_;
  base::Buffer base_;
  std::size_t file_bytes_ = 0;
  codec::Decoder decoder_;
};

}  // namespace arenacache::store
