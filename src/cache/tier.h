// SPDX-License-Identifier: Apache-2.0
// Tier: one [[tier]] as the engine sees it: its store, its limits, what was done in it.
// Threads: any. Locks: one for those who make room, above all but the Evictor's; see TierRoom.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "arenacache/base/file_io.h"
#include "arenacache/base/metrics.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/config/config.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/packed_tier.h"

namespace arenacache::cache {

class Tier {
 public:
  Tier(unsigned its_number, const config::TierConfig& config, std::shared_ptr<store::PackedTier> its_store);

  const unsigned number;  ///< in the order in which what has no room goes on
  const std::string name;
  const codec::Level level;
  const std::shared_ptr<store::PackedTier> store;

  std::atomic<std::uint64_t> capacity_bytes{0};
  std::atomic<std::uint64_t> keep_free_bytes{0};
  base::Counter encoded_bytes, encode_ns, decoded_bytes, decode_ns;  ///< in this life
  base::Mutex room_mutex;  ///< one at a time makes room

  /// The limits that `config` sets, on this disk.
  void set_limits(base::FileIo& io, const config::TierConfig& config);
  /// Are there `bytes` more, of the capacity and on the disk? Asks the disk.
  [[nodiscard]] bool has_room(base::FileIo& io, std::uint64_t bytes) const;
};

/// Where a packed copy is.
struct PackedPlace {
  std::shared_ptr<Tier> tier;
  store::ObjectId id{};
  friend bool operator==(const PackedPlace&, const PackedPlace&) = default;
};

/// A packed copy in a tier that is away: what the index knows of it, kept until the tier is back.
struct AwayCopy {
  std::string tier;
  store::ObjectId id{};
  bool needs_check = false;  ///< once it is back: the file's ctime moved meanwhile
};

/// A [[tier]] that could not be opened: its disk is not there, or fails.
struct AwayTier {
  std::string name;
  std::string trouble;  ///< a sentence for the owner, with what to do
};

/// A packed copy, open; without an object: none.
struct PackedFile {
  std::shared_ptr<Tier> tier;
  std::shared_ptr<store::PackedObject> object;
  explicit operator bool() const { return object != nullptr; }
};

/// Opens the copy. Blocks on its disk. ErrorKind::corrupt: it is damaged or gone.
base::Result<PackedFile> open_packed(const PackedPlace& place);

}  // namespace arenacache::cache
