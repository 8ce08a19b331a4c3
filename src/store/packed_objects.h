// SPDX-License-Identifier: Apache-2.0
// PackedObjects: which objects a packed tier has, and which of them are open or being worked on. No I/O here.
// Promises: whoever changes an object's manifest has it claimed, one at a time; an object that is held keeps its chunks, also once it
// is removed. Threads: any. Locks: its own mutex, never held across I/O or together with another.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/packed_tier.h"
#include "chunk_table.h"

namespace arenacache::store {

/// One object. What is not said to be guarded is set before others see the object, and never changed.
struct PackedRecord {
  ObjectId id{};
  std::uint64_t size = 0;
  std::vector<Chunk*> chunks;
  std::vector<std::uint64_t> keys;  ///< of its large tensors
  // Guarded by the mutex of PackedObjects:
  std::uint64_t manifest_bytes = 0;  ///< as the disk gave
  std::uint32_t holds = 0;
  bool is_there = false;  ///< its manifest is on the disk
  bool is_claimed = false;  ///< somebody writes or removes its manifest
  bool is_condemned = false;  ///< it is to be removed, and could not be yet
  bool is_removed = false;
};
using RecordPtr = std::shared_ptr<PackedRecord>;

class PackedObjects {
 public:
  /// Claims a new id. invalid: there is such an object.
  base::Result<RecordPtr> claim_new(ObjectId id);
  /// Waits while somebody else has the object claimed. Null: there is none.
  RecordPtr claim(ObjectId id);
  /// The same, and null too for one that is condemned.
  RecordPtr claim_there(ObjectId id);
  /// Gives it back as it was, or, when it was new and nothing came of it, forgets it.
  void unclaim(const RecordPtr& record);
  /// Its manifest is written: it is an object, or stays one, and is given back.
  void set_there(const RecordPtr& record, std::uint64_t manifest_bytes);
  /// It is to be removed, later: its manifest may still be on the disk. Gives it back.
  void condemn(const RecordPtr& record);
  /// Its manifest is gone, durably. True: nobody holds it, so its chunks are to be let go now.
  [[nodiscard]] bool set_removed(const RecordPtr& record);

  /// Keeps its chunks until release(). Null: there is none, or it is condemned.
  RecordPtr hold(ObjectId id);
  /// True: it was removed meanwhile, and its chunks are to be let go now.
  [[nodiscard]] bool release(const RecordPtr& record);

  [[nodiscard]] std::vector<ObjectId> condemned() const;
  /// Objects that have some of `keys` (sorted), held, those with most of them first, at most `count`.
  [[nodiscard]] std::vector<RecordPtr> hold_with_keys(std::span<const std::uint64_t> keys, std::size_t count);
  /// Null if there is none.
  [[nodiscard]] RecordPtr find(ObjectId id) const;
  void add_totals(PackedTotals& totals) const;
  void check_invariants() const;
  [[nodiscard]] std::uint64_t manifest_bytes() const;
  [[nodiscard]] std::uint64_t manifest_bytes(ObjectId id) const;
  /// How often objects that are there or held list each chunk.
  [[nodiscard]] std::unordered_map<const Chunk*, std::uint32_t> listings() const;

 private:
  mutable base::Mutex mutex_;
  base::CondVar changed_;  ///< an object is no longer claimed
  std::unordered_map<ObjectId, RecordPtr> records_ AC_GUARDED_BY(mutex_);
  std::vector<RecordPtr> doomed_ AC_GUARDED_BY(mutex_);  ///< removed, and held
  std::uint64_t manifest_bytes_ AC_GUARDED_BY(mutex_) = 0;  ///< of all records_
};

}  // namespace arenacache::store
