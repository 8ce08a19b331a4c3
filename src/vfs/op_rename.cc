// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <utility>

#include "caller.h"
#include "data_change.h"
#include "listing_access.h"
#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

/// What is at both names before the rename.
struct Ends {
  std::string from_path;
  std::string to_path;
  origin::Attributes from{};
  std::optional<origin::Attributes> to;

  /// Two names of one inode: rename(2) does nothing.
  [[nodiscard]] bool are_one_file() const { return to && to->st_ino == from.st_ino && to->st_dev == from.st_dev; }
};

base::Result<Ends> look_at(Filesystem& fs, origin::Origin& origin, Name from, Name to) {
  Ends ends;
  AC_ASSIGN(ends.from_path, path_of(fs, from));
  AC_ASSIGN(ends.to_path, path_of(fs, to));
  AC_ASSIGN(ends.from, origin.stat(ends.from_path));
  if (const auto there = origin.stat(ends.to_path)) ends.to = *there;
  return ends;
}

/// The moved file's ctime moved too.
void note_moved(Filesystem& fs, origin::Origin& origin, Name name, const origin::Attributes& before) {
  const auto id = fs.nodes().child(name);
  const auto path = fs.nodes().child_path(name);
  if (!id || !path) return;
  const auto after = origin.stat(*path);
  if (after && (after->st_mode & S_IFMT) == (before.st_mode & S_IFMT)) note_attribute_change(fs, *id, before, *after);
}

base::Result<void> run(Filesystem& fs, origin::Origin& origin, Name from, Name to, unsigned flags,
                       const origin::Caller& caller) {
  AC_ASSIGN(const Ends ends, look_at(fs, origin, from, to));
  const bool is_exchange = (flags & RENAME_EXCHANGE) != 0;
  const bool is_idle = ends.are_one_file() && !is_exchange;
  if (!is_idle) {
    before_name_moves(fs, from, ends.from_path, ends.from);
    if (ends.to && is_exchange) before_name_moves(fs, to, ends.to_path, *ends.to);
    if (ends.to && !is_exchange && (flags & RENAME_NOREPLACE) == 0) before_name_goes(fs, to, ends.to_path, *ends.to);
  }
  AC_TRY(origin.rename(ends.from_path, ends.to_path, flags, caller));
  if (is_idle) return {};
  if (is_exchange) {
    note_names_exchanged(fs, from, to);
  } else {
    note_name_moved(fs, from, to);
  }
  fs.engine().renamed(fs.source(), ends.from_path, ends.to_path, is_exchange);
  note_moved(fs, origin, to, ends.from);
  if (is_exchange && ends.to) note_moved(fs, origin, from, *ends.to);
  return {};
}

}  // namespace

void rename(const FilesystemPtr& fs, Reply reply, OwnedName from, OwnedName to, unsigned flags) {
  const std::pair keys{name_key(from.view()), name_key(to.view())};
  fs->change(keys, [fs, from = std::move(from), to = std::move(to), flags,
                    reply = std::move(reply)](origin::Origin& origin) mutable {
    const auto renamed = run(*fs, origin, from.view(), to.view(), flags, caller_of(reply.requester()));
    if (!renamed) return reply.fail(renamed.error());
    reply.done();
  });
}

}  // namespace arenacache::vfs
