// SPDX-License-Identifier: Apache-2.0
// Objects whose every byte follows from id and block, so that a test can tell what a block should hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/store/block_map.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "arenacache/store/raw_tier.h"
#include "arenacache/store/sidecar.h"
#include "support/matchers.h"

namespace arenacache::store {

/// Every block of every object is filled with a byte of its own.
inline std::vector<std::byte> plain_block(ObjectId id, BlockIndex block, std::uint64_t object_size) {
  return std::vector<std::byte>(block_length(block, object_size),
                                static_cast<std::byte>(to_number(id) * 16 + block + 1));
}

inline Sidecar make_sidecar(ObjectId id, std::uint64_t size, std::string path = "models/a.safetensors") {
  return {.id = id,
          .origin = {.source = "models",
                     .path = std::move(path),
                     .file_system_id = 42,
                     .inode = 1000 + to_number(id),
                     .size = size,
                     .mtime_ns = 1'700'000'000'123'456'789,
                     .ctime_ns = 1'700'000'001'000'000'000},
          .resident = false,
          .blocks = BlockMap(size)};
}

/// Writes blocks [first, end) and marks them in `sidecar`.
inline base::Result<void> write_blocks(RawFile& file, Sidecar& sidecar, BlockIndex first, BlockIndex end) {
  for (BlockIndex block = first; block < end; ++block) {
    const auto bytes = plain_block(sidecar.id, block, sidecar.origin.size);
    AC_TRY(file.write(bytes, std::uint64_t{block} * kBlockBytes));
    sidecar.blocks.set_present(block, base::xxh3_64(bytes), true);
  }
  return {};
}

/// A whole resident object, made durable.
inline std::shared_ptr<RawFile> make_resident(RawTier& tier, ObjectId id, std::uint64_t size, std::string path) {
  Sidecar sidecar = make_sidecar(id, size, std::move(path));
  auto file = test::must(tier.create(id, size));
  test::must(write_blocks(*file, sidecar, 0, block_count(size)));
  test::must(file->sync());
  sidecar.resident = true;
  test::must(tier.write_sidecar(sidecar));
  return file;
}

inline IndexRow make_row(std::uint64_t id, std::string path, std::string source = "models") {
  return {.id = ObjectId{id},
          .origin = {.source = std::move(source),
                     .path = std::move(path),
                     .file_system_id = ~std::uint64_t{0} - id,
                     .inode = id * 7,
                     .size = id * 1000,
                     .mtime_ns = -5,
                     .ctime_ns = 6},
          .resident = id % 2 == 0,
          .dirty = id % 3 == 0,
          .needs_check = id % 5 == 0,
          .allocated_bytes = id * 512,
          .last_use_ns = 77,
          .uses = id,
          .read_percent = static_cast<std::uint8_t>(id % 101),
          .packed_tier = id % 4 == 0 ? "packed" : "",
          .packed_id = ObjectId{id % 4 == 0 ? id * 3 : 0}};
}

}  // namespace arenacache::store
