// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <utility>

#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

void write(const FilesystemPtr& fs, Reply reply, FilePlace place, WrittenBytes data, bool append) {
  auto handle = fs->files().find(place.handle);
  if (!handle || !handle->file) return reply.fail(EBADF);
  const origin::ChangeKey key = node_key(handle->node);
  fs->change(key, [fs, handle = std::move(handle), offset = place.offset, data = std::move(data), append,
                   reply = std::move(reply)](origin::Origin&) mutable {
    handle->writer->before_data_change();
    const auto written = handle->file->write_at(data.bytes, offset, append);
    note_data_change(*fs, handle->node, *handle->file);
    if (!written) return reply.fail(written.error());
    reply.written(*written);
  });
}

}  // namespace arenacache::vfs
