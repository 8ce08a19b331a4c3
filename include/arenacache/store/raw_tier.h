// SPDX-License-Identifier: Apache-2.0
// RawTier: whole objects, byte for byte at their own offsets, in sparse files `raw/ab/<id>` with a sidecar each.
// Promises: ids never repeat; a file once made resident is never written, punched or truncated again (mappings outlive their
// handles and would see it), so objects of the same bytes may share one (link()); used_bytes() is what the disk really gave, a shared
// file once, doomed files included until their last RawFile goes.
// Threads: any. Locks: its own mutex for the bookkeeping, never held across I/O. Never: decides what to keep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
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
  /// Makes the data file of the resident object `from` that of the new object `to` too: a hard link. Neither may be written from then
  /// on. The name is durable once `to` has its sidecar. ENOENT: `from` is gone. EPERM, EOPNOTSUPP: the file system has no hard links.
  base::Result<std::shared_ptr<RawFile>> link(ObjectId from, ObjectId to);
  /// For reading and writing; on a disk that lets nobody write, for reading.
  base::Result<std::shared_ptr<RawFile>> open_file(ObjectId id);
  /// For reading what the disk has, whatever the page cache says; read() takes whole sectors (4 KiB) only. Where the file system
  /// cannot do that, through the page cache.
  base::Result<std::shared_ptr<RawFile>> open_direct(ObjectId id);
  base::Result<void> write_sidecar(const Sidecar& sidecar);
  base::Result<Sidecar> read_sidecar(ObjectId id);
  /// Unlinks sidecar, then data. Held RawFiles read on; their bytes count as doomed until the last one goes.
  base::Result<void> remove(ObjectId id);
  /// The same, and a power cut does not bring it back.
  base::Result<void> remove_durably(ObjectId id);
  /// Reads every sidecar and removes orphans: for rebuild, and to collect what a crash left. Bounded by what is there.
  /// Accounts what it returns. Leaves alone what is open or being written; names that are not the tier's are not touched.
  base::Result<RawInventory> take_inventory();
  /// The objects of which any file is there, data or sidecar, but for those that are open or being written.
  base::Result<std::vector<ObjectId>> stored_ids();
  /// Adds to the bookkeeping an object that the index knows (on start).
  void account(ObjectId id, std::uint64_t allocated_bytes);
  /// Looks which of `ids`, accounted already, share a data file, and counts that once. Returns each but the first one of a file, with
  /// that. What cannot be looked at is left out.
  std::vector<std::pair<ObjectId, ObjectId>> find_shared(const std::vector<ObjectId>& ids);
  /// The kernel has the object's file open, of `bytes`, and no RawFile of ours stands for that: they count while what is returned
  /// lives, as doomed where the object was removed, or will be.
  std::shared_ptr<const void> hold_for_kernel(ObjectId id, std::uint64_t bytes);

  [[nodiscard]] std::uint64_t used_bytes() const;  ///< allocated, sidecars and doomed files included
  [[nodiscard]] std::uint64_t doomed_bytes() const;
  [[nodiscard]] std::uint64_t allocated_bytes(ObjectId id) const;  ///< of the data file; 0 for an object not accounted
  [[nodiscard]] std::uint64_t shared_bytes() const;  ///< that data files would take more if no two objects shared one
  [[nodiscard]] unsigned sharers(ObjectId id) const;  ///< objects on disk that have its data file, itself included
  /// What its data file is known by: equal for objects that share one. An id that was never accounted is its own.
  [[nodiscard]] ObjectId data_of(ObjectId id) const;
  /// Recounts everything and compares with the sums.
  void check_invariants() const;

 private:
  friend class RawFile;
  class Hold;

  /// What is known of one data file. Lives as long as an entry has it.
  struct Data {
    ObjectId first{};  ///< the object that it was made for, or was first seen as
    std::uint64_t bytes = 0;
    std::uint32_t names = 0;  ///< entries that are on disk; 0 with bytes: doomed
    bool is_resident = false;  ///< a sidecar said so in this life
  };
  /// What is known of one object. Lives as long as it is on disk or somebody holds it.
  struct Entry {
    std::shared_ptr<Data> data;  ///< never null
    std::uint64_t sidecar_bytes = 0;
    std::uint32_t holds = 0;  ///< RawFiles, and calls that are at work on it
    bool is_on_disk = false;  ///< false with bytes: doomed
    bool has_lost_write = false;  ///< a write-back failed: what it holds is not what was written
  };
  using Entries = std::unordered_map<ObjectId, Entry>;
  struct Found;
  struct Stock;

  RawTier(base::FileIo& io, std::string directory);

  [[nodiscard]] std::string folder_path(unsigned folder) const;
  [[nodiscard]] std::string data_path(ObjectId id) const;
  [[nodiscard]] std::string sidecar_path(ObjectId id) const;
  base::Result<std::shared_ptr<RawFile>> open_with(ObjectId id, int flags);
  base::Result<void> make_folder(ObjectId id);
  base::Result<base::UniqueFd> create_data_file(ObjectId id, std::uint64_t size);
  base::Result<void> write_temporary(const std::string& path, std::span<const std::byte> bytes);
  base::Result<void> unlink_if_there(const std::string& path);

  base::Result<void> take_folder(unsigned folder, Stock& stock);
  base::Result<void> take_object(ObjectId id, const Found& found, Stock& stock);
  base::Result<bool> is_whole(const Sidecar& sidecar, ObjectId id, Stock& stock);

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
  /// `id` has the data file of `with`.
  void join(ObjectId id, ObjectId with);
  Entry& entry_locked(ObjectId id) AC_REQUIRES(mutex_);
  void count_locked(const Data& data, bool add) AC_REQUIRES(mutex_);
  void resize_data_locked(Data& data, std::uint64_t bytes) AC_REQUIRES(mutex_);
  void resize_sidecar_locked(Entry& entry, std::uint64_t bytes) AC_REQUIRES(mutex_);
  void set_on_disk_locked(Entry& entry, bool is_on_disk) AC_REQUIRES(mutex_);
  void set_data_locked(Entry& entry, std::shared_ptr<Data> data) AC_REQUIRES(mutex_);
  void erase_if_done_locked(Entries::iterator it) AC_REQUIRES(mutex_);

  base::FileIo& io_;
  const std::string directory_;
  mutable base::Mutex mutex_;
  Entries entries_ AC_GUARDED_BY(mutex_);
  std::uint64_t used_bytes_ AC_GUARDED_BY(mutex_) = 0;  ///< sum over all data files, each once, and all sidecars
  std::uint64_t doomed_bytes_ AC_GUARDED_BY(mutex_) = 0;  ///< the same over what has no name on the disk
  std::uint64_t shared_bytes_ AC_GUARDED_BY(mutex_) = 0;  ///< sum over data files, as often as they have names but one
  std::uint64_t next_temporary_ AC_GUARDED_BY(mutex_) = 0;
};

}  // namespace arenacache::store
