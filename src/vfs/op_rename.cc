// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <utility>

#include "caller.h"
#include "data_change.h"
#include "intents.h"
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

/// What was at the two names when an earlier worker began.
struct Moving {
  NamedInode from, to;
};

/// It moved them: what was at the one name is at the other.
base::Result<bool> was_moved_before(const origin::Fidelity& fidelity, origin::Origin& origin, const Moving& earlier,
                                    const std::string& from, const std::string& to, bool is_exchange) {
  AC_ASSIGN(const NamedInode now_from, inode_at(origin, from));
  AC_ASSIGN(const NamedInode now_to, inode_at(origin, to));
  // Of two that look alike only their numbers tell which is which.
  if (is_exchange) return are_one_inode(now_to, earlier.from) && are_one_inode(now_from, earlier.to);
  return are_same(fidelity, now_to, earlier.from) && !are_same(fidelity, now_from, earlier.from);
}

void note_names_moved(Filesystem& fs, Name from, Name to, bool is_exchange) {
  if (is_exchange) {
    note_names_exchanged(fs, from, to);
  } else {
    note_name_moved(fs, from, to);
  }
}

/// An earlier worker made the move: the rest of what it was to do, as far as it did not. False: it is to be made.
base::Result<bool> finish_earlier(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name from, Name to,
                                  bool is_exchange) {
  const auto earlier = reply.earlier<Moving>();
  if (!earlier || are_one_inode(earlier->from, earlier->to)) return false;
  AC_ASSIGN(const std::string from_path, path_of(fs, from));
  AC_ASSIGN(const std::string to_path, path_of(fs, to));
  AC_ASSIGN(const bool is_moved, was_moved_before(fs.fidelity(), origin, *earlier, from_path, to_path, is_exchange));
  if (!is_moved) return false;
  // Whether it got as far as to tell the node table, which has the numbers that the kernel knows, the table shows.
  const auto node = fs.nodes().child(from);
  const auto state = node ? fs.nodes().state(*node) : std::nullopt;
  if (state && are_same(fs.fidelity(), inode_of(state->attributes), earlier->from)) {
    note_names_moved(fs, from, to, is_exchange);
  } else {
    drop_listings_of_move(fs, from, to);  // those that were stored before the move
  }
  if (is_exchange) {
    // The store's paths may be swapped or not: what is cached under them is not worth the doubt.
    fs.engine().evict(fs.source(), from_path);
    fs.engine().evict(fs.source(), to_path);
  } else {
    fs.engine().renamed(fs.source(), from_path, to_path, false);
  }
  return true;
}

/// What must be known of before the origin is told.
void announce(Filesystem& fs, const Ends& ends, Name from, Name to, unsigned flags) {
  const bool is_exchange = (flags & RENAME_EXCHANGE) != 0;
  before_name_moves(fs, from, ends.from_path, ends.from);
  if (!ends.to) return;
  if (is_exchange) {
    before_name_moves(fs, to, ends.to_path, *ends.to);
  } else if ((flags & RENAME_NOREPLACE) == 0) {
    before_name_goes(fs, to, ends.to_path, *ends.to);
  }
}

base::Result<void> run(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name from, Name to, unsigned flags) {
  const bool is_exchange = (flags & RENAME_EXCHANGE) != 0;
  AC_ASSIGN(const std::string from_path, path_of(fs, from));
  AC_ASSIGN(const std::string to_path, path_of(fs, to));
  const GoingNames::Hold from_goes(fs.going_names(), from_path), to_goes(fs.going_names(), to_path);
  AC_ASSIGN(const bool is_done, finish_earlier(fs, origin, reply, from, to, is_exchange));
  if (is_done) return {};
  const ChangeStamp asked = fs.nodes().stamp();
  AC_ASSIGN(const Ends ends, look_at(fs, origin, from, to));
  if (ends.to) note_links(fs, to, *ends.to, asked);
  const bool is_idle = ends.are_one_file() && !is_exchange;
  if (!is_idle) announce(fs, ends, from, to, flags);
  const bool is_refused = ends.to && (flags & RENAME_NOREPLACE) != 0;
  const auto moving = is_idle || is_refused
                          ? nullptr
                          : fs.engine().before_rename(
                                fs.source(), {.from = ends.from_path, .to = ends.to_path, .is_exchange = is_exchange});
  // What an earlier worker noted stays: its call may be made while this one looks.
  const auto earlier = reply.earlier<Moving>();
  if (!earlier || !are_same(fs.fidelity(), earlier->from, inode_of(ends.from)))
    reply.intend(Moving{.from = inode_of(ends.from), .to = ends.to ? inode_of(*ends.to) : NamedInode{}});
  AC_TRY(origin.rename(ends.from_path, ends.to_path, flags, caller_of(reply.requester())));
  if (is_idle) return {};
  note_names_moved(fs, from, to, is_exchange);
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
    const auto renamed = despite_the_late(reply.was_begun_before(),
                                          [&] { return run(*fs, origin, reply, from.view(), to.view(), flags); });
    if (!renamed) return reply.fail(renamed.error());
    reply.done();
  });
}

}  // namespace arenacache::vfs
