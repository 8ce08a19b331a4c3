// SPDX-License-Identifier: Apache-2.0
// Opening for reading: through the cache, at the version that was checked last, or is known while the origin is slow.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "acl_access.h"
#include "attribute_check.h"
#include "caller.h"
#include "kernel_is_behind.h"
#include "op_open.h"
#include "operations.h"
#include "origin_access.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

/// What an open for reading is to be of.
struct Wanted {
  NodeId id{};
  std::string path;
  HeldFiles::Pointer held;  ///< what its lookup found, should the name have gone since; may be null
};

constexpr auto kPatienceWithPages = std::chrono::seconds(1);

void serve_held(const FilesystemPtr& fs, Reply reply, const HeldFiles::Pointer& held);
void serve_in_its_place(const FilesystemPtr& fs, Reply reply, NodeId id, const std::string& path);

void settle_and_reply(const FilesystemPtr& fs, Reply& reply, const std::shared_ptr<FileHandle>& handle,
                      OpenDecision decision, OpenAgain again) {
  if (!settle_open(*fs, reply.requester(), *handle, decision)) return reply_gone(*fs, reply);
  reply_opened(fs, reply, handle, decision, std::move(again));
}

/// Counts the open, gets a Reader of the node's version at its path, answers.
void serve(const FilesystemPtr& fs, Reply reply, const Wanted& wanted) {
  const OpenDecision decision = fs->nodes().open(wanted.id, OpenKind::read, reply.requester().pid);
  if (decision.answer == OpenDecision::Answer::look_up_again) return reply_gone(*fs, reply);
  auto handle = std::make_shared<FileHandle>();
  handle->node = wanted.id;
  handle->access = O_RDONLY;
  const cache::FileRef file{.source = fs->source(), .path = wanted.path, .version = decision.version};
  handle->reader = open_reader(*fs, reply.requester(), wanted.id, file, decision);
  learn_acls_behind(fs, wanted.id);
  auto settle = [fs, handle, decision, held = wanted.held, reply = std::move(reply)]() mutable {
    OpenAgain again;
    if (held) again = [fs, held](Reply once_more) { serve_held(fs, std::move(once_more), held); };
    settle_and_reply(fs, reply, handle, decision, std::move(again));
  };
  if (!fs->backings().is_available()) return settle();
  if (!handle->reader->could_back_by_origin()) return handle->reader->when_ready(std::move(settle));
  // Nothing of the file is cached: the kernel reads the origin's own, if it can be opened; else the reads tell why not.
  fs->look<bool>([handle](origin::Origin& origin) { return handle->reader->open_at(origin).has_value(); },
                 [settle = std::move(settle)](const base::Result<bool>&) mutable { settle(); });
}

void serve_held_at(const FilesystemPtr& fs, Reply reply, const HeldFiles::Pointer& held,
                   const origin::Version& version) {
  OpenDecision decision = fs->nodes().open(held->node, OpenKind::read, reply.requester().pid);
  if (decision.answer == OpenDecision::Answer::look_up_again) return reply_gone(*fs, reply);
  decision.version = version;
  decision.bypass_pages = true;
  auto handle = std::make_shared<FileHandle>();
  handle->node = held->node;
  handle->access = O_RDONLY;
  const cache::FileRef file{.source = fs->source(), .path = held->path, .version = version};
  handle->reader = open_reader(*fs, reply.requester(), held->node, file, decision, {held, held->file.get()});
  OpenAgain again;
  if (!held->file) again = [fs, held](Reply last) { serve_in_its_place(fs, std::move(last), held->node, held->path); };
  settle_and_reply(fs, reply, handle, decision, std::move(again));
}

/// The name went to another file, or to another node of this one, between a second lookup and its open: what the lookup found is
/// read, as it is by now, past the kernel's pages.
void serve_held(const FilesystemPtr& fs, Reply reply, const HeldFiles::Pointer& held) {
  if (!held->file) return serve_held_at(fs, std::move(reply), held, held->version);
  fs->look<origin::Attributes>(
      [held](origin::Origin&) { return held->file->stat(); },
      [fs, held, reply = std::move(reply)](const base::Result<origin::Attributes>& now) mutable {
        serve_held_at(fs, std::move(reply), held, now ? origin::version_of(*now) : held->version);
      });
}

bool fits(const FileHandle& handle, int access) {
  return handle.access == access || (handle.file && handle.access == O_RDWR);
}

OpenKind kind_of(int access) { return access == O_RDONLY ? OpenKind::read : OpenKind::write; }

/// Somebody's open of the node that does for `access`; null: there is none.
std::shared_ptr<FileHandle> other_open(Filesystem& fs, NodeId id, int access) {
  return fs.files().find_of_node(id, [access](const FileHandle& handle) { return fits(handle, access); });
}

/// One more open of what `other` has open, which need not have a name.
void share_open(const FilesystemPtr& fs, Reply reply, NodeId id, int access, const FileHandle& other) {
  const OpenKind kind = other.file ? OpenKind::write : OpenKind::read;
  OpenDecision decision = fs->nodes().open(id, kind, reply.requester().pid, other.bypasses_pages);
  if (decision.answer == OpenDecision::Answer::look_up_again) return reply_gone(*fs, reply, kind_of(access));
  // The same open file: the kernel's pages are to a reader what they are to the other.
  if (kind == OpenKind::read) decision.bypass_pages = other.bypasses_pages;
  auto handle = std::make_shared<FileHandle>();
  handle->node = id;
  handle->access = other.access;
  handle->reader = other.reader;
  handle->file = other.file;
  handle->writer = other.writer;
  if (!settle_open(*fs, reply.requester(), *handle, decision)) return reply_gone(*fs, reply, kind_of(access));
  handle->is_kept = other.is_kept.load();
  reply_opened(fs, reply, handle, decision);
}

/// Whether `requester` may read a file with `attributes`, whatever its ACL says.
bool may_surely_read(const Requester& requester, const origin::Attributes& attributes) {
  return requester.uid == 0 || (requester.uid == attributes.st_uid && (attributes.st_mode & S_IRUSR) != 0);
}

/// The file that has the name of a node by now.
struct Replacement {
  HeldFiles::Pointer file;
  bool is_the_node = false;  ///< the node is that file from now on
};

/// The file at `path` becomes what the node is, where nobody has that open.
base::Result<Replacement> take_place(const FilesystemPtr& fs, origin::Origin& origin, NodeId id,
                                     const std::string& path, const Requester& requester) {
  const origin::Caller caller = caller_of(requester);
  AC_ASSIGN(const origin::Attributes there, origin.stat(path));
  if (!S_ISREG(there.st_mode)) return std::unexpected(gone_error());
  AC_ASSIGN(auto file, origin.open(path, O_RDONLY, &caller));
  AC_ASSIGN(const origin::Attributes now, file->stat());
  if (!S_ISREG(now.st_mode) || !may_surely_read(requester, now)) return std::unexpected(gone_error());
  const bool becomes = fs->nodes().becomes(id, now, fs->clock().now());
  if (becomes) fs->kernel_pages().drop_pages({id}, kPatienceWithPages);  // and what it believes of size and times
  return Replacement{
      .file = hold_open(fs, {.node = id, .path = path, .version = origin::version_of(now), .file = std::move(file)}),
      .is_the_node = becomes};
}

/// Who comes a second time, for a name that has yet another file by now, and was shown none that is held (the worker that held it died),
/// gets that one. The kernel asked whether it may read the one before: so only who may read it for sure. Others, and where somebody
/// reads the one before, get that; where somebody is about to, it is read past the kernel's pages, as what a lookup found.
void serve_in_its_place(const FilesystemPtr& fs, Reply reply, NodeId id, const std::string& path) {
  const Requester requester = reply.requester();
  const auto take = [fs, id, path, requester](origin::Origin& origin) {
    return take_place(fs, origin, id, path, requester);
  };
  fs->look<Replacement>(take, [fs, id, reply = std::move(reply)](base::Result<Replacement> taken) mutable {
    if (taken && taken->is_the_node) return serve_held(fs, std::move(reply), taken->file);
    if (!taken && taken.error().errno_value != ESTALE) return fail_open(*fs, reply, OpenKind::read, taken.error());
    const auto other = other_open(*fs, id, O_RDONLY);
    if (other) return share_open(fs, std::move(reply), id, O_RDONLY, *other);
    if (taken) return serve_held(fs, std::move(reply), taken->file);
    reply_gone(*fs, reply);
  });
}

void serve(const FilesystemPtr& fs, Reply reply, NodeId id, const HeldFiles::Pointer& held) {
  if (const auto where = fs->nodes().path(id)) {
    return serve(fs, std::move(reply), Wanted{.id = id, .path = where->path, .held = held});
  }
  if (held && held->file) return serve_held(fs, std::move(reply), held);
  open_nameless(fs, std::move(reply), id, O_RDONLY, held);
}

/// `path`, which was the node's, has another file by now, or none. The kernel is sent to look it up again; who comes a second time gets
/// what that lookup found, or what is there now, or hears that it is gone.
void serve_other_file(const FilesystemPtr& fs, Reply reply, const Wanted& wanted,
                      const base::Result<origin::Attributes>& said) {
  if (wanted.held && wanted.held->file) return serve_held(fs, std::move(reply), wanted.held);
  if (!fs->nodes().was_sent_away(reply.requester().pid)) return reply_gone(*fs, reply);
  if (!said) return fail_open(*fs, reply, OpenKind::read, said.error());
  serve_in_its_place(fs, std::move(reply), wanted.id, wanted.path);
}

void open_for_reading(const FilesystemPtr& fs, Reply reply, NodeId id) {
  const auto held = take_held(*fs, reply, id);
  const auto state = fs->nodes().state(id);
  if (!state) return reply_gone(*fs, reply);
  const bool is_behind = state->has_name && state->kernel_is_behind;
  if (is_behind && fs->nodes().send_away(reply.requester().pid, OpenKind::read)) return reply_gone(*fs, reply);
  if (!state->has_name || state->validated > fs->fresh_for_open_since()) return serve(fs, std::move(reply), id, held);
  const auto where = fs->nodes().path(id);
  const Wanted wanted{.id = id, .path = where ? where->path : std::string(), .held = held};
  check_node(fs, id, state->has_attributes,
             [fs, wanted, known = state, reply = std::move(reply)](const std::optional<NodeSaid>& answer) mutable {
               if (!answer) {
                 fs->engine().note_stale_open();
                 return serve(fs, std::move(reply), wanted.id, wanted.held);
               }
               if (answer->seen == Seen::other_file)
                 return serve_other_file(fs, std::move(reply), wanted, answer->said);
               if (!fs->nodes().has_name(wanted.id))
                 return serve(fs, std::move(reply), wanted.id, wanted.held);  // it went meanwhile
               if (!answer->said) return fail_open(*fs, reply, OpenKind::read, answer->said.error());
               const pid_t thread = reply.requester().pid;
               if (kernel_is_behind(*fs, wanted.id, answer->seen, *known, *answer->said, thread, OpenKind::read)) {
                 return reply_gone(*fs, reply);
               }
               serve(fs, std::move(reply), wanted.id, wanted.held);
             });
}

}  // namespace

HeldFiles::Pointer take_held(Filesystem& fs, const Reply& reply, NodeId id) {
  const pid_t thread = reply.requester().pid;
  auto shown = fs.held_files().take(thread);
  if (!shown.was_none && (!shown.file || shown.file->node == id)) return std::move(shown.file);
  fs.nodes().end_sent_away(thread, reply.number());
  return nullptr;
}

void fail_open(Filesystem& fs, Reply& reply, OpenKind kind, const base::Error& error) {
  if (error.errno_value == ESTALE) return reply_gone(fs, reply, kind);
  fs.nodes().end_sent_away(reply.requester().pid, reply.number());
  reply.fail(error);
}

HeldFiles::Pointer hold_open(const FilesystemPtr& fs, HeldFile file) {
  const auto close = [weak = std::weak_ptr(fs)](const HeldFile* held) {
    std::unique_ptr<const HeldFile> last(held);
    const auto alive = weak.lock();
    if (!alive) return;
    alive->look<bool>(
        [last = std::move(last)](origin::Origin&) mutable {
          last.reset();
          return true;
        },
        [](const base::Result<bool>&) {});
  };
  return {new HeldFile(std::move(file)), close};
}

void open_nameless(const FilesystemPtr& fs, Reply reply, NodeId id, int access, const HeldFiles::Pointer& held) {
  // The name may have another file, which this lookup did not ask for. Who comes by /proc/self/fd finds no other, and comes again.
  const OpenKind kind = kind_of(access);
  if (fs->nodes().send_away(reply.requester().pid, kind)) return reply_gone(*fs, reply, kind);
  if (const auto other = other_open(*fs, id, access)) return share_open(fs, std::move(reply), id, access, *other);
  if (held) return serve_held(fs, std::move(reply), held);
  const auto path = kind == OpenKind::read ? fs->nodes().lost_path(id) : std::nullopt;
  if (path) return serve_in_its_place(fs, std::move(reply), id, *path);
  reply_gone(*fs, reply, kind);
}

void open(const FilesystemPtr& fs, Reply reply, NodeId id, int flags) {
  if ((flags & O_ACCMODE) == O_RDONLY && (flags & O_TRUNC) == 0) {
    open_for_reading(fs, std::move(reply), id);
  } else {
    open_for_writing(fs, std::move(reply), id, flags);
  }
}

}  // namespace arenacache::vfs
