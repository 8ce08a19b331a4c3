// SPDX-License-Identifier: Apache-2.0
// flush, fsync and fsyncdir: what was written is the origin's already; here it says whether it kept it.
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

/// Runs `sync` on the origin's file behind `id`, after the writes that came before.
void sync_file(const FilesystemPtr& fs, Reply reply, HandleId id,
               std::move_only_function<base::Result<void>(origin::OriginFile&)> sync) {
  auto handle = fs->files().find(id);
  if (!handle) return reply.fail(EBADF);
  const origin::ChangeKey key = node_key(handle->node);
  fs->change(key,
             [handle = std::move(handle), sync = std::move(sync), reply = std::move(reply)](origin::Origin&) mutable {
               const auto file = origin_file_of(*handle);
               if (!file) return reply.fail(file.error());
               const auto synced = sync(**file);
               if (!synced) return reply.fail(synced.error());
               reply.done();
             });
}

}  // namespace

void flush(const FilesystemPtr& fs, Reply reply, HandleId handle) {
  const auto open = fs->files().find(handle);
  if (open && !open->file) return reply.done();
  sync_file(fs, std::move(reply), handle, [](origin::OriginFile& file) { return file.flush(); });
}

void fsync(const FilesystemPtr& fs, Reply reply, HandleId handle, bool data_only) {
  sync_file(fs, std::move(reply), handle, [data_only](origin::OriginFile& file) { return file.sync(data_only); });
}

void fsyncdir(const FilesystemPtr& fs, Reply reply, NodeId id) {
  fs->change(node_key(id), [fs, id, reply = std::move(reply)](origin::Origin& origin) mutable {
    const auto synced = at_path(*fs, id, [&](const std::string& path) { return origin.sync_directory(path); });
    if (!synced) return reply.fail(synced.error());
    reply.done();
  });
}

}  // namespace arenacache::vfs
