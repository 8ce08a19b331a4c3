// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <utility>

#include "data_change.h"
#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

void copy_file_range(const FilesystemPtr& fs, Reply reply, FilePlace from, FilePlace to, std::size_t length) {
  auto source = fs->files().find(from.handle);
  auto target = fs->files().find(to.handle);
  if (!source || !target || !target->file) return reply.fail(EBADF);
  const origin::ChangeKey key = node_key(target->node);
  DataChange change(fs, target->node);
  fs->change(key, [fs, change = std::move(change), source = std::move(source), target = std::move(target),
                   from = from.offset, to = to.offset, length, reply = std::move(reply)](origin::Origin&) mutable {
    const auto file = origin_file_of(*source);
    if (!file) return reply.fail(file.error());
    before_data_change(*fs, *target);
    const auto copied = (*file)->copy_range(from, *target->file, to, length);
    note_data_change(*fs, target->node, *target->file);
    if (!copied) return reply.fail(copied.error());
    reply.written(*copied);
  });
}

}  // namespace arenacache::vfs
