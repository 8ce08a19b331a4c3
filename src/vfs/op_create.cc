// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "adoption.h"
#include "caller.h"
#include "intents.h"
#include "listing_access.h"
#include "operations.h"
#include "origin_access.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

struct Created {
  std::shared_ptr<origin::OriginFile> file;
  std::shared_ptr<cache::Writer> writer;  ///< null: the name was free
  origin::Attributes attributes{};
};

/// Opens the file that an earlier worker made. Whatever its mode, who makes a file may write it: where neither they nor the daemon may
/// any more, it is made once more. Null: it is to be.
base::Result<std::shared_ptr<origin::OriginFile>> open_made(origin::Origin& origin, const std::string& path, int flags,
                                                            const origin::Caller& caller) {
  const int access = flags & ~(O_CREAT | O_EXCL | O_TRUNC);
  auto file = origin.open(path, access, &caller);
  if (file || (file.error().errno_value != EACCES && file.error().errno_value != EPERM)) return file;
  AC_TRY(origin.unlink(path, caller));
  return std::shared_ptr<origin::OriginFile>();
}

/// Creates the file. The kernel asks for it when it knows of no such name; made behind our back, it may be there all the same.
base::Result<Created> run(Filesystem& fs, origin::Origin& origin, const Reply& reply, const OwnedName& name,
                          const origin::CreateOptions& options) {
  AC_ASSIGN(const std::string path, path_of(fs, name.view()));
  Created created;
  const origin::Caller caller = caller_of(reply.requester());
  AC_ASSIGN(const bool is_made, was_made_before(fs, origin, reply, name.view(), S_IFREG));
  if (is_made) {
    AC_ASSIGN(created.file, open_made(origin, path, options.flags, caller));
  }
  if (created.file) {
    note_name_added(fs, name.view());
    AC_ASSIGN(created.attributes, created.file->stat());
    return created;
  }
  if (const auto there = origin.stat(path); there && S_ISREG(there->st_mode) && (options.flags & O_EXCL) == 0) {
    created.writer = fs.engine().open_for_writing(file_ref(fs, path, *there));
    if ((options.flags & O_TRUNC) != 0) {
      created.writer->before_data_change();
      record_followers(fs);
    }
  }
  AC_ASSIGN(created.file,
            at_path(fs, name.view(), [&](const std::string& now) { return origin.create(now, options, caller); }));
  note_name_added(fs, name.view());
  AC_ASSIGN(created.attributes, created.file->stat());
  return created;
}

/// A node of the created file that is open now, with its entry, for which the kernel has one reference more.
struct OpenedNode {
  Entry entry;
  OpenDecision decision;
  std::shared_ptr<FileHandle> handle;
};

/// Opens the name's node. One that cannot be opened this way (it was there, and is open in another) is replaced: the kernel need
/// not look the name up again, it learns of the node by our answer.
base::Result<OpenedNode> open_node(Filesystem& fs, const Reply& reply, const OwnedName& name, const Created& created,
                                   int access) {
  const OpenKind kind = access == O_RDONLY ? OpenKind::read : OpenKind::write;
  const cache::FileRef ref = file_ref(fs, path_of(fs, name.view()).value_or(name.name), created.attributes);
  while (true) {
    AC_ASSIGN(const Entry entry, entry_now(fs, name.view(), created.attributes));
    OpenDecision decision = fs.nodes().open(entry.id, kind);
    if (decision.answer == OpenDecision::Answer::serve) {
      auto handle = std::make_shared<FileHandle>();
      handle->node = entry.id;
      handle->access = access;
      if (kind == OpenKind::read) {
        handle->reader = open_reader(fs, reply.requester(), entry.id, ref, decision);
      } else {
        handle->file = created.file;
        handle->writer = created.writer ? created.writer : fs.engine().open_for_writing(ref);
      }
      if (settle_open(fs, reply.requester(), *handle, decision)) return OpenedNode{entry, decision, std::move(handle)};
    }
    fs.nodes().forget(entry.id, 1);
  }
}

void answer(const FilesystemPtr& fs, Reply& reply, const OwnedName& name, const Created& created, int access) {
  auto opened = open_node(*fs, reply, name, created, access);
  if (!opened) return reply.fail(opened.error());
  auto& [entry, decision, handle] = *opened;
  if (handle->reader) handle->reader->note_opened(handle->backing != nullptr);
  handle->bypasses_pages = decision.bypass_pages;
  handle->drops_pages = decision.drops_pages;
  const HandleId id = fs->files().add(handle);
  record_open(*fs, reply, id, *handle, decision);
  if (handle->file && !can_open_again(*fs, created.attributes, reply.requester(), access)) {
    keep_open_file(*fs, id, *handle);
  }
  fs->nodes().end_sent_away(reply.requester().pid, reply.number());
  if (reply.created(entry_param(*fs, entry), open_info(id, *handle, decision), backing_id_of(*handle))) return;
  undo_open(fs, id, *handle);
  fs->nodes().forget(entry.id, 1);
}

}  // namespace

void create(const FilesystemPtr& fs, Reply reply, OwnedName name, origin::CreateOptions options) {
  const origin::ChangeKey key = name_key(name.view());
  fs->change(key, [fs, options, name = std::move(name), reply = std::move(reply)](origin::Origin& origin) mutable {
    // Appending is told with each write.
    const origin::CreateOptions asked{.flags = options.flags & ~(O_APPEND | O_DIRECT), .mode = options.mode};
    auto created = despite_the_late(reply.was_begun_before(), [&] { return run(*fs, origin, reply, name, asked); });
    if (!created) return reply.fail(created.error());
    answer(fs, reply, name, *created, options.flags & O_ACCMODE);
  });
}

}  // namespace arenacache::vfs
