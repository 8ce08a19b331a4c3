// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <utility>

#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

void fallocate(const FilesystemPtr& fs, Reply reply, FilePlace place, std::uint64_t length, int mode) {
  auto handle = fs->files().find(place.handle);
  if (!handle || !handle->file) return reply.fail(EBADF);
  const origin::ChangeKey key = node_key(handle->node);
  fs->change(key, [fs, handle = std::move(handle), offset = place.offset, length, mode,
                   reply = std::move(reply)](origin::Origin&) mutable {
    handle->writer->before_data_change();
    const auto allocated = handle->file->allocate(mode, offset, length);
    note_data_change(*fs, handle->node, *handle->file);
    if (!allocated) return reply.fail(allocated.error());
    reply.done();
  });
}

}  // namespace arenacache::vfs
