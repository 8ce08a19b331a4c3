// SPDX-License-Identifier: Apache-2.0
// Sidecar: `raw/ab/<id>.map`, what the raw file beside it holds; enough to rebuild the index from.
// Promises: written whole to a temporary name, synced, renamed, its folder synced: a reader sees the old one or the new one.
// A sidecar that fails its checksum, is cut short or speaks of another version is ErrorKind::corrupt. docs/on-disk.md has the
// layout (little-endian; magic, format version, lengths, fields, checksums of blocks, XXH3-64 over all before it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/store/block_map.h"
#include "arenacache/store/ids.h"

namespace arenacache::store {

/// Where an object comes from and at which version; the same fields stand in its index row.
struct ObjectOrigin {
  std::string source;  ///< the mount's name in the config
  std::string path;  ///< relative to the source, as last known
  std::uint64_t file_system_id = 0;
  std::uint64_t inode = 0;  ///< 0 where inode numbers are not stable
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  friend bool operator==(const ObjectOrigin&, const ObjectOrigin&) = default;
};

struct Sidecar {
  ObjectId id{};
  ObjectOrigin origin;
  bool resident = false;
  BlockMap blocks;
};

/// Larger ones are neither written nor read (an object of 32 TiB), so that no file on disk makes us ask for more memory.
inline constexpr std::uint64_t kMaxSidecarBytes = 256 * base::kMiB;

[[nodiscard]] std::vector<std::byte> encode_sidecar(const Sidecar& sidecar);
[[nodiscard]] base::Result<Sidecar> decode_sidecar(std::span<const std::byte> bytes);

}  // namespace arenacache::store
