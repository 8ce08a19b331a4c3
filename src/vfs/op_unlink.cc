// SPDX-License-Identifier: Apache-2.0
// unlink and rmdir.
#include <optional>
#include <utility>

#include "caller.h"
#include "data_change.h"
#include "intents.h"
#include "listing_access.h"
#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

/// The file lives on under another name, and its ctime has moved.
void note_lost_link(Filesystem& fs, origin::Origin& origin, NodeId id, const origin::Attributes& before) {
  const auto where = fs.nodes().path(id);
  if (!where) return;
  const auto after = origin.stat(where->path);
  if (after && after->st_ino == before.st_ino) note_attribute_change(fs, id, before, *after);
}

/// The name is about to go.
struct GoingName {
  NamedInode file;
};

/// An earlier worker took the name away: it is free, or another file's by now.
base::Result<bool> is_gone_already(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name) {
  const auto earlier = reply.earlier<GoingName>();
  if (!earlier) return false;
  AC_ASSIGN(const std::string path, path_of(fs, name));
  AC_ASSIGN(const NamedInode now, inode_at(origin, path));
  return !are_same(fs.fidelity(), now, earlier->file);
}

/// That nothing has the name any more may be the doing of an earlier worker's call, made while this one looks.
void intend(const Reply& reply, const NamedInode& file) {
  if (file.is_there || !reply.earlier<GoingName>()) reply.intend(GoingName{.file = file});
}

base::Result<void> unlink_once(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name) {
  AC_ASSIGN(const std::string path, path_of(fs, name));
  const GoingNames::Hold goes(fs.going_names(), path);
  AC_ASSIGN(const bool is_gone, is_gone_already(fs, origin, reply, name));
  if (is_gone) {
    note_name_removed(fs, name);
    return {};
  }
  const ChangeStamp asked = fs.nodes().stamp();
  AC_ASSIGN(const origin::Attributes before, origin.stat(path));
  note_links(fs, name, before, asked);
  before_name_goes(fs, name, path, before);
  intend(reply, inode_of(before));
  const origin::Caller caller = caller_of(reply.requester());
  AC_TRY(at_path(fs, name, [&](const std::string& now) { return origin.unlink(now, caller); }));
  const auto id = fs.nodes().child(name);
  note_name_removed(fs, name);
  if (id) note_lost_link(fs, origin, *id, before);
  return {};
}

base::Result<void> remove_directory_once(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name) {
  AC_ASSIGN(const bool is_gone, is_gone_already(fs, origin, reply, name));
  if (is_gone) return {};
  AC_ASSIGN(const std::string path, path_of(fs, name));
  AC_ASSIGN(const NamedInode folder, inode_at(origin, path));
  intend(reply, folder);
  const origin::Caller caller = caller_of(reply.requester());
  return at_path(fs, name, [&](const std::string& now) { return origin.remove_directory(now, caller); });
}

}  // namespace

void unlink(const FilesystemPtr& fs, Reply reply, OwnedName name) {
  const origin::ChangeKey key = name_key(name.view());
  fs->change(key, [fs, name = std::move(name), reply = std::move(reply)](origin::Origin& origin) mutable {
    const auto gone =
        despite_the_late(reply.was_begun_before(), [&] { return unlink_once(*fs, origin, reply, name.view()); });
    if (!gone) return reply.fail(gone.error());
    reply.done();
  });
}

void rmdir(const FilesystemPtr& fs, Reply reply, OwnedName name) {
  const origin::ChangeKey key = name_key(name.view());
  fs->change(key, [fs, name = std::move(name), reply = std::move(reply)](origin::Origin& origin) mutable {
    const auto gone = despite_the_late(reply.was_begun_before(),
                                       [&] { return remove_directory_once(*fs, origin, reply, name.view()); });
    if (!gone) return reply.fail(gone.error());
    note_name_removed(*fs, name.view());
    reply.done();
  });
}

}  // namespace arenacache::vfs
