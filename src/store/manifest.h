// SPDX-License-Identifier: Apache-2.0
// Manifest: `objects/ab/<id>.pack`, what a packed object is: where it is from, its chunks in order, and what is needed to find
// that another model's tensor is close to one of its own. docs/on-disk.md, "A packed tier", has every byte.
// Promises: there is one way to write a manifest, and bytes that differ from it in anything are ErrorKind::corrupt; nothing is
// allocated beyond a small multiple of the bytes that are there. Threads: any; values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/store/chunk.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/sidecar.h"

namespace arenacache::store {

/// Larger ones are neither written nor read: an object of 20 TiB.
inline constexpr std::uint64_t kMaxManifestBytes = 256 * base::kMiB;
/// No chunk's file is said to take more, whatever a file system rounds up to.
inline constexpr std::uint32_t kMaxDiskBytes = 4 * kMaxChunkBytes;
/// How many numbers of a tensor are kept as its sample.
inline constexpr std::size_t kSampleNumbers = 32;

struct ManifestChunk {
  struct Base {
    ChunkHash hash;
    std::uint32_t disk_bytes = 0;
    friend bool operator==(const Base&, const Base&) = default;
  };
  ChunkHash hash;
  std::uint32_t bytes = 0;  ///< of the file; 1 to kMaxChunkBytes
  std::uint32_t disk_bytes = 0;  ///< what the disk gave for the chunk's file
  std::optional<Base> base;  ///< of a difference
  friend bool operator==(const ManifestChunk&, const ManifestChunk&) = default;
};

/// Of a tensor that has its chunks for itself.
struct TensorFingerprint {
  std::uint64_t key = 0;  ///< of name, type and shape
  std::uint32_t first_chunk = 0;
  std::uint8_t width = 0;  ///< bytes of a number: 1, 2, 4 or 8
  std::vector<std::byte> sample;  ///< kSampleNumbers numbers
  friend bool operator==(const TensorFingerprint&, const TensorFingerprint&) = default;
};

struct Manifest {
  ObjectId id{};
  ObjectOrigin origin;
  std::vector<ManifestChunk> chunks;  ///< together origin.size bytes
  std::vector<TensorFingerprint> tensors;  ///< by first_chunk
};

[[nodiscard]] std::vector<std::byte> encode_manifest(const Manifest& manifest);
[[nodiscard]] base::Result<Manifest> decode_manifest(std::span<const std::byte> bytes);

}  // namespace arenacache::store
