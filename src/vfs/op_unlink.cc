// SPDX-License-Identifier: Apache-2.0
// unlink and rmdir.
#include <optional>
#include <utility>

#include "caller.h"
#include "data_change.h"
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

base::Result<void> run(Filesystem& fs, origin::Origin& origin, Name name, const origin::Caller& caller) {
  AC_ASSIGN(const std::string path, path_of(fs, name));
  AC_ASSIGN(const origin::Attributes before, origin.stat(path));
  before_name_goes(fs, name, path, before);
  AC_TRY(at_path(fs, name, [&](const std::string& now) { return origin.unlink(now, caller); }));
  const auto id = fs.nodes().child(name);
  note_name_removed(fs, name);
  if (id) note_lost_link(fs, origin, *id, before);
  return {};
}

}  // namespace

void unlink(const FilesystemPtr& fs, Reply reply, OwnedName name) {
  const origin::ChangeKey key = name_key(name.view());
  fs->change(key, [fs, name = std::move(name), reply = std::move(reply)](origin::Origin& origin) mutable {
    const auto gone = run(*fs, origin, name.view(), caller_of(reply.requester()));
    if (!gone) return reply.fail(gone.error());
    reply.done();
  });
}

void rmdir(const FilesystemPtr& fs, Reply reply, OwnedName name) {
  const origin::ChangeKey key = name_key(name.view());
  fs->change(key, [fs, name = std::move(name), reply = std::move(reply)](origin::Origin& origin) mutable {
    const origin::Caller caller = caller_of(reply.requester());
    const auto gone =
        at_path(*fs, name.view(), [&](const std::string& path) { return origin.remove_directory(path, caller); });
    if (!gone) return reply.fail(gone.error());
    note_name_removed(*fs, name.view());
    reply.done();
  });
}

}  // namespace arenacache::vfs
