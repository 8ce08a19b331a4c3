// SPDX-License-Identifier: Apache-2.0
// Opening for reading: through the cache, at the version that was checked last, or is known while the origin is slow.
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "acl_access.h"
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

/// Counts the open, gets a Reader of `version` of the file at `path`, answers. `other`: another file has the node's name by now,
/// and whoever opens was sent away for that once; they get that one, past the kernel's pages.
void serve_path(const FilesystemPtr& fs, Reply reply, NodeId id, const std::string& path,
                const std::optional<origin::Version>& other) {
  OpenDecision decision = fs->nodes().open(id, OpenKind::read, reply.requester().pid);
  if (decision.answer == OpenDecision::Answer::look_up_again) return reply_gone(*fs, reply);
  if (other) {
    decision.version = *other;
    decision.keep_pages = false;
    decision.bypass_pages = true;
  }
  auto handle = std::make_shared<FileHandle>();
  handle->node = id;
  handle->access = O_RDONLY;
  const cache::FileRef file{.source = fs->source(), .path = path, .version = decision.version};
  handle->reader = open_reader(*fs, reply.requester(), file, decision);
  learn_acls_behind(fs, id);
  if (fs->backings().is_available() && handle->reader->could_back_by_origin()) {
    return open_origin_first(fs, std::move(reply), handle, decision);
  }
  if (!fs->backings().is_available()) return settle_and_reply(fs, reply, handle, decision);
  handle->reader->when_ready(
      [fs, handle, decision, reply = std::move(reply)]() mutable { settle_and_reply(fs, reply, handle, decision); });
}

void serve(const FilesystemPtr& fs, Reply reply, NodeId id, const std::optional<origin::Version>& other = {}) {
  const auto where = fs->nodes().path(id);
  if (!where) return open_nameless(fs, std::move(reply), id, O_RDONLY);
  serve_path(fs, std::move(reply), id, where->path, other);
}

/// The node's name went to another file between a second lookup and its open.
void serve_who_has_its_name(const FilesystemPtr& fs, Reply reply, NodeId id, const std::string& path) {
  fs->look<origin::Attributes>(
      [path](origin::Origin& origin) { return origin.stat(path); },
      [fs, id, path, reply = std::move(reply)](const base::Result<origin::Attributes>& said) mutable {
        if (!said) return reply.fail(said.error());
        if (!S_ISREG(said->st_mode)) return reply_gone(*fs, reply);
        serve_path(fs, std::move(reply), id, path, origin::version_of(*said));
      });
}

/// The node's name has another file by now. The kernel is sent to look it up again; who comes a second time gets that one, or hears
/// that it is gone.
void serve_other_file(const FilesystemPtr& fs, Reply reply, NodeId id, const base::Result<origin::Attributes>& said) {
  if (!fs->nodes().was_sent_away(reply.requester().pid)) return reply_gone(*fs, reply);
  if (!said) return reply.fail(said.error());
  if (!S_ISREG(said->st_mode)) return reply_gone(*fs, reply);
  serve(fs, std::move(reply), id, origin::version_of(*said));
}

void open_for_reading(const FilesystemPtr& fs, Reply reply, NodeId id) {
  const auto state = fs->nodes().state(id);
  if (!state) return reply_gone(*fs, reply);
  if (!state->has_name || state->validated > fs->fresh_for_open_since()) return serve(fs, std::move(reply), id);
  check_node(fs, id, state->has_attributes,
             [fs, id, known = state, reply = std::move(reply)](const std::optional<NodeSaid>& answer) mutable {
               if (!answer) {
                 fs->engine().note_stale_open();
                 return serve(fs, std::move(reply), id);
               }
               if (answer->seen == Seen::other_file) return serve_other_file(fs, std::move(reply), id, answer->said);
               if (!answer->said) return reply.fail(answer->said.error());
               const pid_t thread = reply.requester().pid;
               if (kernel_is_behind(*fs, id, answer->seen, *known, *answer->said, thread, OpenKind::read)) {
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
  const OpenKind asked = access == O_RDONLY ? OpenKind::read : OpenKind::write;
  const auto other = fs->files().find_of_node(id, [&](const FileHandle& handle) { return fits(handle, access); });
  if (!other) {
    const auto path = access == O_RDONLY ? fs->nodes().lost_path(id) : std::nullopt;
    if (!path || !fs->nodes().was_sent_away(reply.requester().pid)) return reply_gone(*fs, reply, asked);
    return serve_who_has_its_name(fs, std::move(reply), id, *path);
  }
  const OpenKind kind = other->file ? OpenKind::write : OpenKind::read;
  OpenDecision decision = fs->nodes().open(id, kind, reply.requester().pid);
  if (decision.answer == OpenDecision::Answer::look_up_again) return reply_gone(*fs, reply, asked);
  auto handle = std::make_shared<FileHandle>();
  handle->node = id;
  handle->access = other->access;
  handle->reader = other->reader;
  handle->file = other->file;
  handle->writer = other->writer;
  if (!settle_open(*fs, reply.requester(), *handle, decision)) return reply_gone(*fs, reply, asked);
  // The same open file: the kernel's pages are to it what they are to the other.
  decision.bypass_pages = other->bypasses_pages;
  decision.keep_pages = true;
  handle->is_kept = other->is_kept.load();
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
