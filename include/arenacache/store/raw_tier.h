// SPDX-License-Identifier: Apache-2.0
// RawTier: whole objects, byte for byte at their own offsets, in sparse files `raw/ab/<id>` with a sidecar each.
// Promises: ids never repeat; a file once made resident is never written, punched or truncated again (mappings outlive their
// handles and would see it); used_bytes() is what the disk really gave, doomed files included until their last RawFile goes.
// Threads: any. Locks: its own mutex for the bookkeeping, never held across I/O. Never: decides what to keep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "arenacache/base/extent.h"
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
  /// once they are on disk: at most 4 MiB a file stay dirty, so this waits for the disk when the origin is the faster one.
  /// Refused (ErrorKind::store) for an object whose sidecar said resident.
  base::Result<void> write(std::span<const std::byte> data, std::uint64_t offset);
  /// Reserves disk space for a range.
  base::Result<void> allocate(std::uint64_t offset, std::uint64_t length);
  /// Makes the bytes durable. Fails for good once any write-back of this object has failed: remove the object then.
  base::Result<void> sync();
  /// ErrorKind::corrupt when the file is not `size` bytes long.
  base::Result<void> expect_size(std::uint64_t size);
  /// Asks the file system what the file takes, and tells the tier's bookkeeping.
  base::Result<std::uint64_t> refresh_allocated();

 private:
  friend class RawTier;
  RawFile(std::shared_ptr<RawTier> tier, ObjectId id, base::UniqueFd fd);

  base::Result<void> settle(base::Extent written);

  const std::shared_ptr<RawTier> tier_;
  const ObjectId id_;
  const base::UniqueFd fd_;
  base::Mutex mutex_;
  std::deque<base::Extent> unsettled_ AC_GUARDED_BY(mutex_);  ///< handed to write-back, still in the page cache
  std::uint64_t unsettled_bytes_ AC_GUARDED_BY(mutex_) = 0;
};

/// What a start found in the store's folders.
struct RawInventory {
  std::vector<Sidecar> objects;  ///< readable sidecars whose data file exists with the right size
  std::uint64_t removed_orphans = 0;  ///< data without sidecar, temporary files, unreadable sidecars: deleted
};

class RawTier : public std::enable_shared_from_this<RawTier> {
 public:
  /// `directory` is `<store>/raw`; made when missing. Its 256 fan-out folders are made as objects need them.
  static base::Result<std::shared_ptr<RawTier>> open(base::FileIo& io, std::string directory);
  /// One of a store that cannot be used: nothing is made or looked at, and nothing is in it.
  static std::shared_ptr<RawTier> unopened(base::FileIo& io, std::string directory);

  /// Makes the data file of a new object (sparse, `size` bytes long, mode 0600) and reserves nothing.
  base::Result<std::shared_ptr<RawFile>> create(ObjectId id, std::uint64_t size);
  /// For reading and writing; on a disk that lets nobody write, for reading.
  base::Result<std::shared_ptr<RawFile>> open_file(ObjectId id);
  /// For reading what the disk has, whatever the page cache says; read() takes whole sectors (4 KiB) only. Where the file system
  /// cannot do that, through the page cache.
  base::Result<std::shared_ptr<RawFile>> open_direct(ObjectId id);
  base::Result<void> write_sidecar(const Sidecar& sidecar);
  base::Result<Sidecar> read_sidecar(ObjectId id);
  /// Unlinks sidecar, then data. Held RawFiles read on; their bytes count as doomed until the last one goes.
  base::Result<void> remove(ObjectId id);
  /// Reads every sidecar and removes orphans: for rebuild, and to collect what a crash left. Bounded by what is there.
  /// Accounts what it returns. Leaves alone what is open or being written; names that are not the tier's are not touched.
  base::Result<RawInventory> take_inventory();
  /// The objects of which any file is there, data or sidecar, but for those that are open or being written.
  base::Result<std::vector<ObjectId>> stored_ids();
  /// Adds to the bookkeeping an object that the index knows (on start).
  void account(ObjectId id, std::uint64_t allocated_bytes);

  [[nodiscard]] std::uint64_t used_bytes() const;  ///< allocated, sidecars and doomed files included
  [[nodiscard]] std::uint64_t doomed_bytes() const;
  [[nodiscard]] std::uint64_t allocated_bytes(ObjectId id) const;  ///< of the data file; 0 for an object not accounted
  /// Recounts everything and compares with the sums.
  void check_invariants() const;

 private:
  friend class RawFile;
  class Hold;

  /// What is known of one object. Lives as long as it is on disk or somebody holds it.
  struct Entry {
    std::uint64_t data_bytes = 0;
    std::uint64_t sidecar_bytes = 0;
    std::uint32_t holds = 0;  ///< RawFiles, and calls that are at work on it
    bool is_on_disk = false;  ///< false with bytes: doomed
    bool is_resident = false;  ///< its sidecar said so in this life
    bool has_lost_write = false;  ///< a write-back failed: what it holds is not what was written
    [[nodiscard]] std::uint64_t bytes() const { return data_bytes + sidecar_bytes; }
  };
  using Entries = std::unordered_map<ObjectId, Entry>;
  struct Found;

  RawTier(base::FileIo& io, std::string directory);

  [[nodiscard]] std::string folder_path(unsigned folder) const;
  [[nodiscard]] std::string data_path(ObjectId id) const;
  [[nodiscard]] std::string sidecar_path(ObjectId id) const;
  base::Result<std::shared_ptr<RawFile>> open_with(ObjectId id, int flags);
  base::Result<void> make_folder(ObjectId id);
  base::Result<base::UniqueFd> create_data_file(ObjectId id, std::uint64_t size);
  base::Result<void> write_temporary(const std::string& path, std::span<const std::byte> bytes);
  base::Result<void> unlink_if_there(const std::string& path);

  base::Result<void> take_folder(unsigned folder, RawInventory& inventory);
  base::Result<void> take_object(ObjectId id, const Found& found, RawInventory& inventory);
  base::Result<bool> is_whole(const Sidecar& sidecar, ObjectId id);

  void hold(ObjectId id);
  void release(ObjectId id);
  void set_on_disk(ObjectId id);
  void set_gone(ObjectId id);
  void set_data_bytes(ObjectId id, std::uint64_t bytes);
  void set_sidecar(ObjectId id, std::uint64_t bytes, bool is_resident);
  void set_lost_write(ObjectId id);
  [[nodiscard]] bool is_held(ObjectId id) const;
  [[nodiscard]] bool is_resident(ObjectId id) const;
  [[nodiscard]] bool has_lost_write(ObjectId id) const;
  void resize_locked(Entry& entry, std::uint64_t data_bytes, std::uint64_t sidecar_bytes) AC_REQUIRES(mutex_);
  void erase_if_done_locked(Entries::iterator it) AC_REQUIRES(mutex_);

  base::FileIo& io_;
  const std::string directory_;
  mutable base::Mutex mutex_;
  Entries entries_ AC_GUARDED_BY(mutex_);
  std::uint64_t used_bytes_ AC_GUARDED_BY(mutex_) = 0;  ///< sum of bytes() over all entries
  std::uint64_t doomed_bytes_ AC_GUARDED_BY(mutex_) = 0;  ///< the same over those not on disk
  std::uint64_t next_temporary_ AC_GUARDED_BY(mutex_) = 0;
};

}  // namespace arenacache::store
