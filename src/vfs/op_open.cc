// SPDX-License-Identifier: Apache-2.0
// Opening for reading: through the cache, at the version that was checked last, or is known while the origin is slow.
#include <fcntl.h>

#include <memory>
#include <optional>
#include <utility>

#include "attribute_check.h"
#include "kernel_is_behind.h"
#include "op_open.h"
#include "operations.h"
#include "origin_access.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

void settle_and_reply(const FilesystemPtr& fs, Reply& reply, const std::shared_ptr<FileHandle>& handle,
                      const OpenDecision& decision) {
  if (!settle_open(*fs, reply.requester(), *handle, decision)) return reply_gone(*fs, reply);
  reply_opened(fs, reply, handle, decision);
}

/// Nothing of the file is cached: the kernel reads the origin's own, if it can be opened; else the reads tell why not.
void open_origin_first(const FilesystemPtr& fs, Reply reply, const std::shared_ptr<FileHandle>& handle,
                       const OpenDecision& decision) {
  fs->look<bool>([handle](origin::Origin& origin) { return handle->reader->open_at(origin).has_value(); },
                 [fs, handle, decision, reply = std::move(reply)](const base::Result<bool>&) mutable {
                   settle_and_reply(fs, reply, handle, decision);
                 });
}

/// Counts the open, gets a Reader of the node's version, answers.
void serve(const FilesystemPtr& fs, Reply reply, NodeId id) {
  const auto where = fs->nodes().path(id);
  if (!where) return open_nameless(fs, std::move(reply), id, O_RDONLY);
  const OpenDecision decision = fs->nodes().open(id, OpenKind::read, reply.requester().pid);
  if (decision.answer == OpenDecision::Answer::look_up_again) return reply_gone(*fs, reply);
  auto handle = std::make_shared<FileHandle>();
  handle->node = id;
  handle->access = O_RDONLY;
  const cache::FileRef file{.source = fs->source(), .path = where->path, .version = decision.version};
  handle->reader = open_reader(*fs, reply.requester(), file, decision);
  if (fs->backings().is_available() && handle->reader->could_back_by_origin()) {
    return open_origin_first(fs, std::move(reply), handle, decision);
  }
  settle_and_reply(fs, reply, handle, decision);
}

void open_for_reading(const FilesystemPtr& fs, Reply reply, NodeId id) {
  const auto state = fs->nodes().state(id);
  if (!state) return reply_gone(*fs, reply);
  if (!state->has_name || state->validated > fs->fresh_for_open_since()) return serve(fs, std::move(reply), id);
  check_node(fs, id, state->has_attributes,
             [fs, id, known = state, reply = std::move(reply)](const std::optional<NodeSaid>& answer) mutable {
               if (!answer) {
                 fs->engine().note_stale_open();
               } else if (answer->seen != Seen::other_file && !answer->said) {
                 return reply.fail(answer->said.error());
               } else if (answer->seen == Seen::other_file ||
                          kernel_is_behind(*fs, id, answer->seen, *known, *answer->said, reply.requester().pid)) {
                 return reply_gone(*fs, reply);
               }
               serve(fs, std::move(reply), id);
             });
}

bool fits(const FileHandle& handle, int access) {
  return handle.access == access || (handle.file && handle.access == O_RDWR);
}

}  // namespace

void open_nameless(const FilesystemPtr& fs, Reply reply, NodeId id, int access) {
  const auto other = fs->files().find_of_node(id, [&](const FileHandle& handle) { return fits(handle, access); });
  if (!other) return reply_gone(*fs, reply);
  const OpenKind kind = other->file ? OpenKind::write : OpenKind::read;
  OpenDecision decision = fs->nodes().open(id, kind, reply.requester().pid);
  if (decision.answer == OpenDecision::Answer::look_up_again) return reply_gone(*fs, reply);
  auto handle = std::make_shared<FileHandle>(*other);
  handle->backing = nullptr;
  if (!settle_open(*fs, reply.requester(), *handle, decision)) return reply_gone(*fs, reply);
  // The same open file, so the same version that the kernel's pages are of.
  decision.bypass_pages = false;
  decision.keep_pages = true;
  reply_opened(fs, reply, handle, decision);
}

void open(const FilesystemPtr& fs, Reply reply, NodeId id, int flags) {
  if ((flags & O_ACCMODE) == O_RDONLY && (flags & O_TRUNC) == 0) {
    open_for_reading(fs, std::move(reply), id);
  } else {
    open_for_writing(fs, std::move(reply), id, flags);
  }
}

}  // namespace arenacache::vfs
