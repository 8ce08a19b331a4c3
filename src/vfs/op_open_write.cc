// SPDX-License-Identifier: Apache-2.0
// Opening with write access: straight to the origin, after a durable mark that the store's copy may become wrong.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "adoption.h"
#include "attribute_check.h"
#include "caller.h"
#include "data_change.h"
#include "kernel_is_behind.h"
#include "op_open.h"
#include "operations.h"
#include "origin_access.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

// Appending is told with each write; truncating is a step of its own, after the mark.
constexpr int kFlagsHere = O_APPEND | O_TRUNC | O_DIRECT | O_CREAT | O_EXCL;

/// O_RDONLY | O_TRUNC truncates, and reads afterwards.
int origin_flags(int flags) {
  const int access = (flags & O_ACCMODE) == O_RDONLY ? O_RDWR : flags & O_ACCMODE;
  return (flags & ~(O_ACCMODE | kFlagsHere)) | access;
}

/// Opens the origin's file for a node that `decision` has counted already.
base::Result<void> open_origin(Filesystem& fs, origin::Origin& origin, FileHandle& handle,
                               const origin::Attributes& before, const Reply& reply, int flags) {
  AC_ASSIGN(const std::string path, path_of(fs, handle.node));
  const origin::Caller caller = caller_of(reply.requester());
  handle.writer = fs.engine().open_for_writing(file_ref(fs, path, before));
  AC_ASSIGN(handle.file, at_path(fs, handle.node, [&](const std::string& now) {
              return origin.open(now, origin_flags(flags), &caller);
            }));
  return {};
}

base::Result<void> truncate_opened(const FilesystemPtr& fs, FileHandle& handle) {
  const DataChange change(fs, handle.node);
  before_data_change(*fs, handle);
  AC_TRY(handle.file->truncate(0));
  note_data_change(*fs, handle.node, *handle.file);
  return {};
}

/// What `decision` counted is not open.
void uncount(Filesystem& fs, NodeId id, const OpenDecision& decision) {
  if (decision.drops_pages) fs.nodes().pages_not_dropped(id);
  fs.nodes().close(id, OpenKind::write);
}

void run(const FilesystemPtr& fs, origin::Origin& origin, Reply& reply, NodeId id, int flags) {
  const auto known = fs->nodes().state(id);
  const ChangeStamp asked = fs->nodes().stamp();
  const auto before = stat_node(*fs, origin, id);
  const Seen seen = note_attributes(*fs, id, before, asked);
  if (seen == Seen::other_file) {
    // Removed since the second lookup: the kernel comes no third time.
    if (!before && fs->nodes().was_sent_away(reply.requester().pid))
      return fail_open(*fs, reply, OpenKind::write, before.error());
    return reply_gone(*fs, reply, OpenKind::write);
  }
  if (!before) return fail_open(*fs, reply, OpenKind::write, before.error());
  if (known && kernel_is_behind(*fs, id, seen, *known, *before, reply.requester().pid, OpenKind::write)) {
    return reply_gone(*fs, reply, OpenKind::write);
  }
  OpenDecision decision = fs->nodes().open(id, OpenKind::write, reply.requester().pid);
  if (decision.answer == OpenDecision::Answer::look_up_again) return reply_gone(*fs, reply, OpenKind::write);
  auto handle = std::make_shared<FileHandle>();
  handle->node = id;
  handle->access = origin_flags(flags) & O_ACCMODE;
  if (const auto opened = open_origin(*fs, origin, *handle, *before, reply, flags); !opened) {
    uncount(*fs, id, decision);
    return fail_open(*fs, reply, OpenKind::write, opened.error());
  }
  // Before the origin's data is touched: the open may come again under another node.
  if (!settle_open(*fs, reply.requester(), *handle, decision)) return reply_gone(*fs, reply, OpenKind::write);
  if ((flags & O_TRUNC) != 0) {
    if (const auto truncated = truncate_opened(fs, *handle); !truncated) {
      handle->backing = nullptr;
      uncount(*fs, id, decision);
      return fail_open(*fs, reply, OpenKind::write, truncated.error());
    }
  }
  handle->is_kept = !can_open_again(*fs, *before, reply.requester(), handle->access);
  reply_opened(fs, reply, handle, decision);
}

}  // namespace

void open_for_writing(const FilesystemPtr& fs, Reply reply, NodeId id, int flags) {
  static_cast<void>(take_held(*fs, reply, id));
  const auto state = fs->nodes().state(id);
  if (!state) return reply_gone(*fs, reply, OpenKind::write);
  if (!state->has_name) return open_nameless(fs, std::move(reply), id, flags & O_ACCMODE);
  fs->change(node_key(id), [fs, id, flags, reply = std::move(reply)](origin::Origin& origin) mutable {
    run(fs, origin, reply, id, flags);
  });
}

}  // namespace arenacache::vfs
