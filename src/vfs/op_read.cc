// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <memory>
#include <span>
#include <utility>

#include "arenacache/base/buffer.h"
#include "arenacache/base/extent.h"
#include "arenacache/origin/local_origin.h"
#include "operations.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

constexpr std::uint64_t kPageBytes = 4096;

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

/// The kernel fills its pages up to the end of the newest version of a node that it heard of. What lies behind the end of the one
/// that is read, and before that, is of no version: pages would show zeros.
bool is_behind_its_end(Filesystem& fs, const FileHandle& handle, base::Extent extent) {
  const origin::Version& version = handle.reader->version();
  const std::uint64_t size = version.size;
  if (extent.end() <= size || handle.bypasses_pages || handle.reader->follows()) return false;
  const auto state = fs.nodes().state(handle.node);
  // A truncation through the mount, whose answer the kernel may not have taken in yet: it drops the pages behind the end then.
  if (state && state->is_written_here && origin::version_of(state->attributes).same_data(version)) return false;
  // It asks for whole pages, and for none behind the last one of a file whose size it knows.
  if (extent.end() > size + (kPageBytes - size % kPageBytes) % kPageBytes) return true;
  return state && state->has_version && static_cast<std::uint64_t>(state->attributes.st_size) > size &&
         state->writers == 0;
}

}  // namespace

void read(const FilesystemPtr& fs, Reply reply, FilePlace place, std::size_t length, bool is_direct) {
  const auto handle = fs->files().find(place.handle);
  if (!handle) return reply.fail(EBADF);
  note_opener_ran(*fs, *handle);
  if (length == 0) return reply.bytes({});
  const base::Extent extent{.offset = place.offset, .length = length};
  if (!handle->reader) return read_origin(fs, std::move(reply), handle, extent);
  if (!is_direct && is_behind_its_end(*fs, *handle, extent)) return reply.fail(ESTALE);
  handle->reader->read(
      place.offset, length,
      [fs, handle, extent, is_direct, reply = std::move(reply)](base::Result<cache::ReadBytes> got) mutable {
        if (!got) return reply.fail(got.error());
        // A newer version may have been seen meanwhile.
        const bool is_short = !is_direct && got->bytes.size() < extent.length;
        if (is_short && is_behind_its_end(*fs, *handle, extent)) return reply.fail(ESTALE);
        reply.bytes(got->bytes);
      });
}

}  // namespace arenacache::vfs
