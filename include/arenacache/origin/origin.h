// SPDX-License-Identifier: Apache-2.0
// Origin: the only truth, one folder tree; OriginFile: one of its files held open.
// Promises: paths are relative to the source ("" is the source itself, "a/b.safetensors" a file), never leave it, and never
// follow a symlink on the way. Errors are ErrorKind::origin with the errno that the plain folder would give.
// Threads: any; every call may block for as long as the origin likes, so none is made on a FUSE thread: see guarded_origin.h.
// Never: caches, retries, decides.
#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/origin/change_listener.h"
#include "arenacache/origin/fidelity.h"

namespace arenacache::origin {

using Attributes = struct ::stat;

/// For how many names stat_names() is asked at once: few enough for a slow origin to answer within a deadline.
inline constexpr std::size_t kMostNamesAsked = 64;

/// On whose behalf a change is made: created files belong to them, and their umask applies.
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  ///< supplementary
  mode_t umask = 0;
};

struct DirectoryEntry {
  std::string name;  ///< without "." and ".."
  std::uint64_t inode = 0;
  unsigned char type = 0;  ///< DT_*; DT_UNKNOWN where the file system does not say
};

/// One file held open. Its calls go to the inode that was opened, whatever its name is now.
class OriginFile {
 public:
  virtual ~OriginFile() = default;
  /// Reads until `out` is full or end of file; returns the bytes read.
  virtual base::Result<std::size_t> read_at(std::span<std::byte> out, std::uint64_t offset) = 0;
  /// Writes all of `data`, or at the end of the file (atomically) when `append`. Returns the bytes written before an error.
  virtual base::Result<std::size_t> write_at(std::span<const std::byte> data, std::uint64_t offset, bool append) = 0;
  virtual base::Result<Attributes> stat() = 0;
  virtual base::Result<void> truncate(std::uint64_t size) = 0;
  virtual base::Result<void> sync(bool data_only) = 0;
  /// What close(2) of one descriptor says (an error of a late write on NFS), with the file staying open.
  virtual base::Result<void> flush() = 0;
  virtual base::Result<void> allocate(int mode, std::uint64_t offset, std::uint64_t length) = 0;
  /// lseek(2) with SEEK_DATA or SEEK_HOLE.
  virtual base::Result<std::uint64_t> seek(std::uint64_t offset, int whence) = 0;
  virtual base::Result<std::size_t> copy_range(std::uint64_t offset, OriginFile& to, std::uint64_t to_offset,
                                               std::size_t length) = 0;
  /// Lets the origin's page cache go of a range, where there is one.
  virtual void drop_cache(std::uint64_t offset, std::uint64_t length) = 0;
  /// The descriptor behind it, or -1 (a bucket).
  [[nodiscard]] virtual int descriptor() const = 0;
};

/// What setattr changes; only what is set.
struct AttributeChange {
  std::optional<mode_t> mode{};
  std::optional<uid_t> uid{};
  std::optional<gid_t> gid{};
  std::optional<std::uint64_t> size{};
  std::optional<timespec> access_time{};  ///< tv_nsec may be UTIME_NOW
  std::optional<timespec> modify_time{};
};

struct CreateOptions {
  int flags = 0;  ///< open(2) flags of the caller, O_CREAT and O_EXCL included; O_DIRECT is dropped
  mode_t mode = 0;  ///< before umask
};

class Origin {
 public:
  virtual ~Origin() = default;

  [[nodiscard]] virtual const Fidelity& fidelity() const = 0;

  // Hearing of changes behind our back, where the origin can tell of them. Elsewhere these do nothing.
  /// From now on `listener` hears of changes in folders that are watched.
  virtual void listen(const std::weak_ptr<ChangeListener>& /*listener*/) {}
  /// Watches a folder before it is looked at; `anew`: its path may be another folder's by now. Bounded: what cannot be watched
  /// is not.
  virtual void watch_folder(const std::string& /*path*/, bool /*anew*/) {}

  // Calls that only look.
  virtual base::Result<Attributes> stat(const std::string& path) = 0;
  virtual base::Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
  /// Attributes of several names of one directory, in order; a name that is gone gives an error at its place. The origin looks at
  /// one after the other, and one deadline is for all: not more than kMostNamesAsked.
  virtual base::Result<std::vector<base::Result<Attributes>>> stat_names(const std::string& directory,
                                                                         std::span<const std::string> names) = 0;
  virtual base::Result<std::string> read_link(const std::string& path) = 0;
  /// `flags` as open(2), O_CREAT and O_TRUNC excluded; never follows a symlink at the end of the path.
  /// Tried as the daemon; where the daemon is refused (a squashed root), as `caller` when given.
  virtual base::Result<std::shared_ptr<OriginFile>> open(const std::string& path, int flags, const Caller* caller) = 0;
  /// A file of this origin that somebody opened before. EOPNOTSUPP where files have no descriptors.
  virtual base::Result<std::shared_ptr<OriginFile>> take_file(base::UniqueFd /*descriptor*/) {
    return base::fail(base::ErrorKind::origin, EOPNOTSUPP, "this origin's files have no descriptors");
  }
  virtual base::Result<std::string> get_xattr(const std::string& path, const std::string& name) = 0;
  /// Names, each ended by a zero byte, as listxattr(2) gives them.
  virtual base::Result<std::string> list_xattrs(const std::string& path) = 0;
  virtual base::Result<struct ::statvfs> space() = 0;

  // Calls that change something. Creations are made with `caller`'s ids, groups and umask.
  virtual base::Result<std::shared_ptr<OriginFile>> create(const std::string& path, const CreateOptions& options,
                                                           const Caller& caller) = 0;
  virtual base::Result<void> make_directory(const std::string& path, mode_t mode, const Caller& caller) = 0;
  virtual base::Result<void> make_node(const std::string& path, mode_t mode, dev_t device, const Caller& caller) = 0;
  virtual base::Result<void> make_symlink(const std::string& path, const std::string& target, const Caller& caller) = 0;
  virtual base::Result<void> make_link(const std::string& existing, const std::string& path, const Caller& caller) = 0;
  virtual base::Result<void> unlink(const std::string& path, const Caller& caller) = 0;
  virtual base::Result<void> remove_directory(const std::string& path, const Caller& caller) = 0;
  /// `flags` as renameat2(2).
  virtual base::Result<void> rename(const std::string& from, const std::string& to, unsigned flags,
                                    const Caller& caller) = 0;
  virtual base::Result<void> set_attributes(const std::string& path, const AttributeChange& change,
                                            const Caller& caller) = 0;
  virtual base::Result<void> set_xattr(const std::string& path, const std::string& name, const std::string& value,
                                       int flags, const Caller& caller) = 0;
  virtual base::Result<void> remove_xattr(const std::string& path, const std::string& name, const Caller& caller) = 0;
  virtual base::Result<void> sync_directory(const std::string& path) = 0;
};

/// set_attributes for a file that is open (its name may be gone).
base::Result<void> set_attributes(OriginFile& file, const AttributeChange& change, const Caller& caller);

}  // namespace arenacache::origin
