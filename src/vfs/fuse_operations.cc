// SPDX-License-Identifier: Apache-2.0
// The entry points libfuse calls: decode the parameters, call the operation. No exception leaves them.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <span>
#include <utility>

#include "fuse_session.h"
#include "operations.h"

namespace arenacache::vfs {

namespace {

FuseContext& context_of(fuse_req_t request) { return *static_cast<FuseContext*>(::fuse_req_userdata(request)); }

/// Runs body(filesystem, reply). What it does not answer before it throws is answered with EIO.
template <class Body>
void serve(fuse_req_t request, const char* operation, Body body) {
  const FuseContext& context = context_of(request);
  std::optional<Reply> reply;
  guarded(operation, [&] { reply.emplace(context.desk, request, operation); });
  if (!reply) {
    ::fuse_reply_err(request, EIO);
    return;
  }
  guarded(operation, [&] { body(context.fs, std::move(*reply)); });
}

OwnedName name_in(fuse_ino_t parent, const char* name) { return {.parent = NodeId{parent}, .name = name}; }
HandleId handle_of(const fuse_file_info* info) { return HandleId{info->fh}; }
FilePlace place_in(const fuse_file_info* info, off_t offset) {
  return {.handle = handle_of(info), .offset = static_cast<std::uint64_t>(offset)};
}

std::optional<timespec> time_to_set(int to_set, int given, int now, const timespec& time) {
  if ((to_set & now) != 0) return timespec{.tv_sec = 0, .tv_nsec = UTIME_NOW};
  if ((to_set & given) != 0) return time;
  return std::nullopt;
}

origin::AttributeChange change_of(const struct ::stat& attributes, int to_set) {
  origin::AttributeChange change;
  if ((to_set & FUSE_SET_ATTR_MODE) != 0) change.mode = attributes.st_mode;
  if ((to_set & FUSE_SET_ATTR_UID) != 0) change.uid = attributes.st_uid;
  if ((to_set & FUSE_SET_ATTR_GID) != 0) change.gid = attributes.st_gid;
  if ((to_set & FUSE_SET_ATTR_SIZE) != 0) change.size = static_cast<std::uint64_t>(attributes.st_size);
  change.access_time = time_to_set(to_set, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, attributes.st_atim);
  change.modify_time = time_to_set(to_set, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, attributes.st_mtim);
  return change;
}

void on_init(void* userdata, fuse_conn_info* connection) {
  FuseContext& context = *static_cast<FuseContext*>(userdata);
  negotiate(context.options, *connection);
  ask_for_passthrough(context.passthrough, *connection);
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  serve(request, "lookup",
        [&](const FilesystemPtr& fs, Reply reply) { lookup(fs, std::move(reply), name_in(parent, name)); });
}

void on_forget(fuse_req_t request, fuse_ino_t node, uint64_t lookups) {
  guarded("forget", [&] { context_of(request).fs->nodes().forget(NodeId{node}, lookups); });
  ::fuse_reply_none(request);
}

void on_forget_multi(fuse_req_t request, size_t count, fuse_forget_data* forgets) {
  guarded("forget", [&] {
    NodeTable& nodes = context_of(request).fs->nodes();
    for (const fuse_forget_data& forget : std::span(forgets, count)) nodes.forget(NodeId{forget.ino}, forget.nlookup);
  });
  ::fuse_reply_none(request);
}

void on_getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info* /*info*/) {
  serve(request, "getattr", [&](const FilesystemPtr& fs, Reply reply) { getattr(fs, std::move(reply), NodeId{node}); });
}

void on_setattr(fuse_req_t request, fuse_ino_t node, struct ::stat* attributes, int to_set, fuse_file_info* info) {
  serve(request, "setattr", [&](const FilesystemPtr& fs, Reply reply) {
    const auto handle = info != nullptr ? std::optional(handle_of(info)) : std::nullopt;
    setattr(fs, std::move(reply), NodeId{node}, change_of(*attributes, to_set), handle);
  });
}

void on_readlink(fuse_req_t request, fuse_ino_t node) {
  serve(request, "readlink",
        [&](const FilesystemPtr& fs, Reply reply) { readlink(fs, std::move(reply), NodeId{node}); });
}

void on_mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  serve(request, "mknod", [&](const FilesystemPtr& fs, Reply reply) {
    mknod(fs, std::move(reply), name_in(parent, name), mode, device);
  });
}

void on_mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  serve(request, "mkdir",
        [&](const FilesystemPtr& fs, Reply reply) { mkdir(fs, std::move(reply), name_in(parent, name), mode); });
}

void on_symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  serve(request, "symlink",
        [&](const FilesystemPtr& fs, Reply reply) { symlink(fs, std::move(reply), name_in(parent, name), target); });
}

void on_link(fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char* name) {
  serve(request, "link",
        [&](const FilesystemPtr& fs, Reply reply) { link(fs, std::move(reply), NodeId{node}, name_in(parent, name)); });
}

void on_unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  serve(request, "unlink",
        [&](const FilesystemPtr& fs, Reply reply) { unlink(fs, std::move(reply), name_in(parent, name)); });
}

void on_rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  serve(request, "rmdir",
        [&](const FilesystemPtr& fs, Reply reply) { rmdir(fs, std::move(reply), name_in(parent, name)); });
}

void on_rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
               unsigned flags) {
  serve(request, "rename", [&](const FilesystemPtr& fs, Reply reply) {
    rename(fs, std::move(reply), name_in(parent, name), name_in(new_parent, new_name), flags);
  });
}

void on_open(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  serve(request, "open",
        [&](const FilesystemPtr& fs, Reply reply) { open(fs, std::move(reply), NodeId{node}, info->flags); });
}

void on_create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  serve(request, "create", [&](const FilesystemPtr& fs, Reply reply) {
    create(fs, std::move(reply), name_in(parent, name), {.flags = info->flags | O_CREAT, .mode = mode});
  });
}

void on_read(fuse_req_t request, fuse_ino_t /*node*/, size_t size, off_t offset, fuse_file_info* info) {
  serve(request, "read", [&](const FilesystemPtr& fs, Reply reply) {
    read(fs, std::move(reply), place_in(info, offset), size, (info->flags & O_DIRECT) != 0);
  });
}

void on_write(fuse_req_t request, fuse_ino_t /*node*/, const char* data, size_t size, off_t offset,
              fuse_file_info* info) {
  serve(request, "write", [&](const FilesystemPtr& fs, Reply reply) {
    // Written back from a mapping: at its own place, however the file was opened.
    const bool append = (info->flags & O_APPEND) != 0 && info->writepage == 0;
    write(fs, std::move(reply), place_in(info, offset), std::as_bytes(std::span(data, size)), append);
  });
}

void on_flush(fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info) {
  serve(request, "flush", [&](const FilesystemPtr& fs, Reply reply) { flush(fs, std::move(reply), handle_of(info)); });
}

void on_release(fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info) {
  serve(request, "release",
        [&](const FilesystemPtr& fs, Reply reply) { release(fs, std::move(reply), handle_of(info)); });
}

void on_fsync(fuse_req_t request, fuse_ino_t /*node*/, int data_only, fuse_file_info* info) {
  serve(request, "fsync",
        [&](const FilesystemPtr& fs, Reply reply) { fsync(fs, std::move(reply), handle_of(info), data_only != 0); });
}

void on_opendir(fuse_req_t request, fuse_ino_t node, fuse_file_info* /*info*/) {
  serve(request, "opendir", [&](const FilesystemPtr& fs, Reply reply) { opendir(fs, std::move(reply), NodeId{node}); });
}

ListingRequest listing_of(fuse_ino_t node, size_t size, off_t offset, const fuse_file_info* info) {
  return {.node = NodeId{node},
          .handle = handle_of(info),
          .after = Cookie{static_cast<std::uint64_t>(offset)},
          .bytes = size};
}

void on_readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* info) {
  serve(request, "readdir", [&](const FilesystemPtr& fs, Reply reply) {
    readdir(fs, std::move(reply), listing_of(node, size, offset, info));
  });
}

void on_readdirplus(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* info) {
  serve(request, "readdirplus", [&](const FilesystemPtr& fs, Reply reply) {
    readdirplus(fs, std::move(reply), listing_of(node, size, offset, info));
  });
}

void on_releasedir(fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info) {
  serve(request, "releasedir",
        [&](const FilesystemPtr& fs, Reply reply) { releasedir(fs, std::move(reply), handle_of(info)); });
}

void on_fsyncdir(fuse_req_t request, fuse_ino_t node, int /*data_only*/, fuse_file_info* /*info*/) {
  serve(request, "fsyncdir",
        [&](const FilesystemPtr& fs, Reply reply) { fsyncdir(fs, std::move(reply), NodeId{node}); });
}

void on_statfs(fuse_req_t request, fuse_ino_t /*node*/) {
  serve(request, "statfs", [&](const FilesystemPtr& fs, Reply reply) { statfs(fs, std::move(reply)); });
}

void on_setxattr(fuse_req_t request, fuse_ino_t node, const char* name, const char* value, size_t size, int flags) {
  serve(request, "setxattr", [&](const FilesystemPtr& fs, Reply reply) {
    change_xattr(fs, std::move(reply), NodeId{node}, {.name = name, .value = std::string(value, size), .flags = flags});
  });
}

void on_getxattr(fuse_req_t request, fuse_ino_t node, const char* name, size_t size) {
  serve(request, "getxattr",
        [&](const FilesystemPtr& fs, Reply reply) { getxattr(fs, std::move(reply), NodeId{node}, name, size); });
}

void on_listxattr(fuse_req_t request, fuse_ino_t node, size_t size) {
  serve(request, "listxattr",
        [&](const FilesystemPtr& fs, Reply reply) { listxattr(fs, std::move(reply), NodeId{node}, size); });
}

void on_removexattr(fuse_req_t request, fuse_ino_t node, const char* name) {
  serve(request, "removexattr", [&](const FilesystemPtr& fs, Reply reply) {
    change_xattr(fs, std::move(reply), NodeId{node}, {.name = name, .value = std::nullopt});
  });
}

void on_fallocate(fuse_req_t request, fuse_ino_t /*node*/, int mode, off_t offset, off_t length, fuse_file_info* info) {
  serve(request, "fallocate", [&](const FilesystemPtr& fs, Reply reply) {
    fallocate(fs, std::move(reply), place_in(info, offset), static_cast<std::uint64_t>(length), mode);
  });
}

void on_copy_file_range(fuse_req_t request, fuse_ino_t /*from*/, off_t from_offset, fuse_file_info* from_info,
                        fuse_ino_t /*to*/, off_t to_offset, fuse_file_info* to_info, size_t length, int /*flags*/) {
  serve(request, "copy_file_range", [&](const FilesystemPtr& fs, Reply reply) {
    copy_file_range(fs, std::move(reply), place_in(from_info, from_offset), place_in(to_info, to_offset), length);
  });
}

void on_lseek(fuse_req_t request, fuse_ino_t /*node*/, off_t offset, int whence, fuse_file_info* info) {
  serve(request, "lseek",
        [&](const FilesystemPtr& fs, Reply reply) { lseek(fs, std::move(reply), place_in(info, offset), whence); });
}

// No getlk, setlk, flock: locks are the kernel's, for this mount. No access: default_permissions. No ioctl, poll, bmap.
fuse_lowlevel_ops make_operations() {
  fuse_lowlevel_ops operations{};
  operations.init = on_init;
  operations.lookup = on_lookup;
  operations.forget = on_forget;
  operations.forget_multi = on_forget_multi;
  operations.getattr = on_getattr;
  operations.setattr = on_setattr;
  operations.readlink = on_readlink;
  operations.mknod = on_mknod;
  operations.mkdir = on_mkdir;
  operations.symlink = on_symlink;
  operations.link = on_link;
  operations.unlink = on_unlink;
  operations.rmdir = on_rmdir;
  operations.rename = on_rename;
  operations.open = on_open;
  operations.create = on_create;
  operations.read = on_read;
  operations.write = on_write;
  operations.flush = on_flush;
  operations.release = on_release;
  operations.fsync = on_fsync;
  operations.opendir = on_opendir;
  operations.readdir = on_readdir;
  operations.readdirplus = on_readdirplus;
  operations.releasedir = on_releasedir;
  operations.fsyncdir = on_fsyncdir;
  operations.statfs = on_statfs;
  operations.setxattr = on_setxattr;
  operations.getxattr = on_getxattr;
  operations.listxattr = on_listxattr;
  operations.removexattr = on_removexattr;
  operations.fallocate = on_fallocate;
  operations.copy_file_range = on_copy_file_range;
  operations.lseek = on_lseek;
  return operations;
}

}  // namespace

const fuse_lowlevel_ops& fuse_operations() {
  static const fuse_lowlevel_ops operations = make_operations();
  return operations;
}

}  // namespace arenacache::vfs
