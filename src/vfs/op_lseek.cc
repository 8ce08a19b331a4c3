// SPDX-License-Identifier: Apache-2.0
// SEEK_DATA and SEEK_HOLE: the kernel knows the rest itself.
#include <cerrno>
#include <utility>

#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

void lseek(const FilesystemPtr& fs, Reply reply, FilePlace place, int whence) {
  auto handle = fs->files().find(place.handle);
  if (!handle) return reply.fail(EBADF);
  fs->look<std::uint64_t>(
      [handle = std::move(handle), offset = place.offset, whence](origin::Origin&) -> base::Result<std::uint64_t> {
        AC_ASSIGN(const auto file, origin_file_of(*handle));
        return file->seek(offset, whence);
      },
      [reply = std::move(reply)](base::Result<std::uint64_t> position) mutable {
        if (!position) return reply.fail(position.error());
        reply.position(*position);
      });
}

}  // namespace arenacache::vfs
