// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/raw_check.h"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/raw_tier.h"

namespace arenacache::store {

namespace {

/// Reads past the page cache want whole sectors of the disk: the file's last bytes are read the ordinary way.
constexpr std::uint64_t kSectorBytes = 4096;

}  // namespace

RawCheck::RawCheck(std::shared_ptr<RawFile> direct, std::shared_ptr<RawFile> buffered, std::uint64_t size)
    : direct_(std::move(direct)), buffered_(std::move(buffered)), size_(size), block_(kBlockBytes) {}

base::Result<RawCheck> RawCheck::open(RawTier& tier, ObjectId id, std::uint64_t size) {
  AC_ASSIGN(auto direct, tier.open_direct(id));
  AC_ASSIGN(auto buffered, tier.open_file(id));
  AC_TRY(buffered->expect_size(size));
  return RawCheck(std::move(direct), std::move(buffered), size);
}

base::Result<void> RawCheck::check(BlockIndex block, std::uint64_t checksum) {
  length_ = block_length(block, size_);
  const auto bytes = block_.span().first(length_);
  RawFile& file = bytes.size() % kSectorBytes == 0 ? *direct_ : *buffered_;
  AC_TRY(file.read(bytes, std::uint64_t{block} * kBlockBytes));
  if (base::xxh3_64(bytes) == checksum) return {};
  return base::fail(base::ErrorKind::corrupt, EIO,
                    base::text("object ", to_number(direct_->id()), ", block ", block,
                               ": what the disk has does not match its checksum"));
}

}  // namespace arenacache::store
