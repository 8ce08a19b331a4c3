// SPDX-License-Identifier: Apache-2.0
// RawTier: whole objects, byte for byte at their own offsets, in sparse files `raw/ab/<id>` with a sidecar each.
// Promises: ids never repeat; a file once made resident is never written, punched or truncated again (mappings outlive their
// handles and would see it); used_bytes() is what the disk really gave, doomed files included until their last RawFile goes.
// Threads: any. Locks: its own mutex for the bookkeeping, never held across I/O. Never: decides what to keep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/sidecar.h"

namespace arenacache::store {

class RawTier;

/// One object's file held open. Lives as long as somebody reads it, also after its object was removed (doomed).
class RawFile {
 public:
  ~RawFile();
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  [[nodiscard]] ObjectId id() const { return id_; }
  [[nodiscard]] int descriptor() const { return fd_.get(); }
  /// Exactly out.size() bytes, or ErrorKind::corrupt when the file is shorter.
  base::Result<void> read(std::span<std::byte> out, std::uint64_t offset);
  /// Writes whole blocks (the last may be short) of an object that is not resident, and drops them from the page cache
  /// once they are on disk.
  base::Result<void> write(std::span<const std::byte> data, std::uint64_t offset);
  /// Reserves disk space for a range.
  base::Result<void> allocate(std::uint64_t offset, std::uint64_t length);
  base::Result<void> sync();
  /// Asks the file system what the file takes, and tells the tier's bookkeeping.
  base::Result<std::uint64_t> refresh_allocated();

 private:
  friend class RawTier;
  RawFile(std::shared_ptr<RawTier> tier, ObjectId id, base::UniqueFd fd);

  std::shared_ptr<RawTier> tier_;
  ObjectId id_;
  base::UniqueFd fd_;
};

/// What a start found in the store's folders.
struct RawInventory {
  std::vector<Sidecar> objects;       ///< readable sidecars whose data file exists with the right size
  std::uint64_t removed_orphans = 0;  ///< data without sidecar, temporary files, unreadable sidecars: deleted
};

class RawTier : public std::enable_shared_from_this<RawTier> {
 public:
  /// `directory` is `<store>/raw`; made when missing, with its 256 fan-out folders.
  static base::Result<std::shared_ptr<RawTier>> open(base::FileIo& io, std::string directory);

  /// Makes the data file of a new object (sparse, `size` bytes long, mode 0600) and reserves nothing.
  base::Result<std::shared_ptr<RawFile>> create(ObjectId id, std::uint64_t size);
  base::Result<std::shared_ptr<RawFile>> open_file(ObjectId id);
  base::Result<void> write_sidecar(const Sidecar& sidecar);
  base::Result<Sidecar> read_sidecar(ObjectId id);
  /// Unlinks sidecar, then data. Held RawFiles read on; their bytes count as doomed until the last one goes.
  base::Result<void> remove(ObjectId id);
  /// Reads every sidecar and removes orphans: for rebuild, and to collect what a crash left. Bounded by what is there.
  base::Result<RawInventory> take_inventory();
  /// Adds to the bookkeeping an object that the index knows (on start).
  void account(ObjectId id, std::uint64_t allocated_bytes);

  [[nodiscard]] std::uint64_t used_bytes() const;    ///< allocated, doomed included
  [[nodiscard]] std::uint64_t doomed_bytes() const;

 private:
  friend class RawFile;
  // ...
};

}  // namespace arenacache::store
