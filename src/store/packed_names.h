// SPDX-License-Identifier: Apache-2.0
// The names of files in a packed tier: `chunks/ab/<hash>`, `objects/ab/<id>.pack`, and behind either `.<n>.tmp` while it is being
// written. `ab` are the first two of a hash's 32 digits, and the last two of an id's 16.
// Threads: any; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "arenacache/store/chunk.h"
#include "arenacache/store/ids.h"

namespace arenacache::store {

/// 32 hex digits.
[[nodiscard]] std::string chunk_name(const ChunkHash& hash);
[[nodiscard]] unsigned fan_out_of(const ChunkHash& hash);

/// Where a tier's files lie.
class PackedPaths {
 public:
  explicit PackedPaths(std::string directory);
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] const std::string& chunks() const { return chunks_; }
  [[nodiscard]] const std::string& objects() const { return objects_; }
  [[nodiscard]] std::string chunk_folder(unsigned folder) const;
  [[nodiscard]] std::string object_folder(unsigned folder) const;
  [[nodiscard]] std::string chunk(const ChunkHash& hash) const;
  [[nodiscard]] std::string manifest(ObjectId id) const;

 private:
  std::string directory_;
  std::string chunks_;
  std::string objects_;
};

/// `path` while it is being written, for the `number`-th time that something is.
[[nodiscard]] std::string temporary_path(const std::string& path, std::uint64_t number);

template <class What>
struct PackedName {
  What what{};
  std::optional<std::uint64_t> temporary;  ///< its number; nothing: the name that counts
};
/// Nothing for a name that is not one of ours.
[[nodiscard]] std::optional<unsigned> parse_fan_out_name(std::string_view name);
[[nodiscard]] std::optional<PackedName<ChunkHash>> parse_chunk_name(std::string_view name);
[[nodiscard]] std::optional<PackedName<ObjectId>> parse_manifest_name(std::string_view name);

}  // namespace arenacache::store
