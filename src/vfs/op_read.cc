// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <memory>
#include <span>
#include <utility>

#include "arenacache/base/buffer.h"
#include "arenacache/base/extent.h"
#include "operations.h"

namespace arenacache::vfs {

namespace {

/// Reads of a file that is open for writing: at the origin, which has what was written.
void read_origin(const FilesystemPtr& fs, Reply reply, const std::shared_ptr<FileHandle>& handle, base::Extent extent) {
  auto buffer = std::make_shared<base::Buffer>(extent.length);
  fs->look_patiently<std::size_t>(
      [handle, buffer, extent](origin::Origin&) { return handle->file->read_at(buffer->span(), extent.offset); },
      [buffer, reply = std::move(reply)](base::Result<std::size_t> got) mutable {
        if (!got) return reply.fail(got.error());
        reply.bytes(buffer->span().first(*got));
      });
}

}  // namespace

void read(const FilesystemPtr& fs, Reply reply, FilePlace place, std::size_t length) {
  const auto handle = fs->files().find(place.handle);
  if (!handle) return reply.fail(EBADF);
  if (length == 0) return reply.bytes({});
  if (!handle->reader) return read_origin(fs, std::move(reply), handle, {.offset = place.offset, .length = length});
  handle->reader->read(place.offset, length,
                       [handle, reply = std::move(reply)](base::Result<cache::ReadBytes> got) mutable {
                         if (!got) return reply.fail(got.error());
                         reply.bytes(got->bytes);
                       });
}

}  // namespace arenacache::vfs
