// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/falloc.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "data_change.h"
#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

/// Cutting a range out of a file, or putting one in, must not be done twice. It moves the file's end.
struct Shifting {
  std::uint64_t size;
};

base::Result<void> allocate_once(const Reply& reply, origin::OriginFile& file, int mode, std::uint64_t offset,
                                 std::uint64_t length) {
  if ((mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) != 0) {
    AC_ASSIGN(const origin::Attributes now, file.stat());
    const auto size = static_cast<std::uint64_t>(now.st_size);
    const auto earlier = reply.earlier<Shifting>();
    if (earlier && earlier->size != size) return {};
    reply.intend(Shifting{.size = size});
  }
  return file.allocate(mode, offset, length);
}

}  // namespace

void fallocate(const FilesystemPtr& fs, Reply reply, FilePlace place, std::uint64_t length, int mode) {
  auto handle = fs->files().find(place.handle);
  if (!handle || !handle->file) return reply.fail(EBADF);
  const origin::ChangeKey key = node_key(handle->node);
  DataChange change(fs, handle->node);
  fs->change(key, [fs, change = std::move(change), handle = std::move(handle), offset = place.offset, length, mode,
                   reply = std::move(reply)](origin::Origin&) mutable {
    before_data_change(*fs, *handle);
    const auto allocated = allocate_once(reply, *handle->file, mode, offset, length);
    note_data_change(*fs, handle->node, *handle->file);
    if (!allocated) return reply.fail(allocated.error());
    reply.done();
  });
}

}  // namespace arenacache::vfs
