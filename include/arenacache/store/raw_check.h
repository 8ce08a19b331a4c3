// SPDX-License-Identifier: Apache-2.0
// RawCheck: compares an object's blocks with their checksums as the disk itself has them, past the page cache where the file
// system can do that. Promises: writes nothing. Threads: one. Locks: none. Never: knows what a wrong block leads to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "arenacache/base/buffer.h"
#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/raw_tier.h"

namespace arenacache::store {

class RawCheck {
 public:
  /// Opens the object's file. ErrorKind::corrupt: it is not `size` bytes long. ENOENT: it is gone.
  static base::Result<RawCheck> open(RawTier& tier, ObjectId id, std::uint64_t size);

  /// Reads one block and compares. Blocks on the disk. ErrorKind::corrupt: other bytes; ErrorKind::store: it cannot be read.
  base::Result<void> check(BlockIndex block, std::uint64_t checksum);
  /// The bytes of the block that check() last found right, until the next call.
  [[nodiscard]] std::span<const std::byte> bytes() const { return block_.span().first(length_); }

 private:
  RawCheck(std::shared_ptr<RawFile> direct, std::shared_ptr<RawFile> buffered, std::uint64_t size);

  std::shared_ptr<RawFile> direct_;
  std::shared_ptr<RawFile> buffered_;
  std::uint64_t size_;
  base::Buffer block_;
  std::size_t length_ = 0;
};

}  // namespace arenacache::store
