// SPDX-License-Identifier: Apache-2.0
// The operations of the mirror, one op_*.cc each, with their parameters decoded. Each answers its Reply exactly once, now or
// when the origin has answered. Threads: called on FUSE threads, so none of them calls the origin itself.
// Shape of each: what the tables can answer is answered; else look() or change() with the rest, which answers from there.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "filesystem.h"
#include "fuse_reply.h"

namespace arenacache::vfs {

/// A place in an open file.
struct FilePlace {
  HandleId handle{};
  std::uint64_t offset = 0;
};

/// A place in a listing, and how many bytes of entries are wanted.
struct ListingRequest {
  NodeId node{};
  HandleId handle{};
  Cookie after{};
  std::size_t bytes = 0;
};

struct XattrChange {
  std::string name;
  std::optional<std::string> value;  ///< nothing: remove it
  int flags = 0;
};

// Looking.
void lookup(const FilesystemPtr& fs, Reply reply, OwnedName name);
void getattr(const FilesystemPtr& fs, Reply reply, NodeId id);
void readlink(const FilesystemPtr& fs, Reply reply, NodeId id);
/// `is_direct`: not into the kernel's pages (O_DIRECT).
void read(const FilesystemPtr& fs, Reply reply, FilePlace place, std::size_t length, bool is_direct);
void opendir(const FilesystemPtr& fs, Reply reply, NodeId id);
void readdir(const FilesystemPtr& fs, Reply reply, ListingRequest request);
void readdirplus(const FilesystemPtr& fs, Reply reply, ListingRequest request);
void releasedir(const FilesystemPtr& fs, Reply reply, HandleId handle);
void getxattr(const FilesystemPtr& fs, Reply reply, NodeId id, std::string name, std::size_t room);
void listxattr(const FilesystemPtr& fs, Reply reply, NodeId id, std::size_t room);
void statfs(const FilesystemPtr& fs, Reply reply);
void lseek(const FilesystemPtr& fs, Reply reply, FilePlace place, int whence);

// Opening.
void open(const FilesystemPtr& fs, Reply reply, NodeId id, int flags);
void create(const FilesystemPtr& fs, Reply reply, OwnedName name, origin::CreateOptions options);
void release(const FilesystemPtr& fs, Reply reply, HandleId handle);

// Changing.
/// `bytes` stay for as long as `reply`.
void write(const FilesystemPtr& fs, Reply reply, FilePlace place, std::span<const std::byte> bytes, bool append);
void setattr(const FilesystemPtr& fs, Reply reply, NodeId asked, origin::AttributeChange change,
             std::optional<HandleId> handle);
void mkdir(const FilesystemPtr& fs, Reply reply, OwnedName name, mode_t mode);
void mknod(const FilesystemPtr& fs, Reply reply, OwnedName name, mode_t mode, dev_t device);
void symlink(const FilesystemPtr& fs, Reply reply, OwnedName name, std::string target);
void link(const FilesystemPtr& fs, Reply reply, NodeId existing, OwnedName name);
void unlink(const FilesystemPtr& fs, Reply reply, OwnedName name);
void rmdir(const FilesystemPtr& fs, Reply reply, OwnedName name);
void rename(const FilesystemPtr& fs, Reply reply, OwnedName from, OwnedName to, unsigned flags);
void change_xattr(const FilesystemPtr& fs, Reply reply, NodeId id, XattrChange change);
void flush(const FilesystemPtr& fs, Reply reply, HandleId handle);
void fsync(const FilesystemPtr& fs, Reply reply, HandleId handle, bool data_only);
void fsyncdir(const FilesystemPtr& fs, Reply reply, NodeId id);
void fallocate(const FilesystemPtr& fs, Reply reply, FilePlace place, std::uint64_t length, int mode);
void copy_file_range(const FilesystemPtr& fs, Reply reply, FilePlace from, FilePlace to, std::size_t length);

}  // namespace arenacache::vfs
