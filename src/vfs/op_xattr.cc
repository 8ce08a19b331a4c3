// SPDX-License-Identifier: Apache-2.0
// Extended attributes, POSIX ACLs among them: the origin's own. A file without a name has none to show.
#include <sys/xattr.h>

#include <cerrno>
#include <span>
#include <string>
#include <utility>

#include "acl_access.h"
#include "caller.h"
#include "listing_access.h"
#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

/// As getxattr(2) and listxattr(2) answer: the size if there is no room at all, else the bytes.
void answer(Reply& reply, const base::Result<std::string>& value, std::size_t room) {
  if (!value) return reply.fail(value.error());
  if (room == 0) return reply.xattr_size(value->size());
  if (value->size() > room) return reply.fail(ERANGE);
  reply.bytes(std::as_bytes(std::span(*value)));
}

base::Result<void> apply(origin::Origin& origin, const std::string& path, const XattrChange& change,
                         const origin::Caller& caller) {
  if (!change.value) return origin.remove_xattr(path, change.name, caller);
  return origin.set_xattr(path, change.name, *change.value, change.flags, caller);
}

/// Whether the attribute was there before one is made or taken away, which says no the second time.
struct AttributeBefore {
  bool was_there;
};

/// An earlier worker did what `change` asks.
bool is_changed_already(origin::Origin& origin, const std::string& path, const XattrChange& change,
                        const AttributeBefore& earlier) {
  const auto now = origin.get_xattr(path, change.name);
  if (change.value) return !earlier.was_there && now && *now == *change.value;
  return earlier.was_there && !now;
}

base::Result<void> apply_once(origin::Origin& origin, const Reply& reply, const std::string& path,
                              const XattrChange& change) {
  if (!change.value || (change.flags & XATTR_CREATE) != 0) {
    const auto earlier = reply.earlier<AttributeBefore>();
    if (earlier && is_changed_already(origin, path, change, *earlier)) return {};
    reply.intend(AttributeBefore{.was_there = origin.get_xattr(path, change.name).has_value()});
  }
  return apply(origin, path, change, caller_of(reply.requester()));
}

base::Result<void> run(Filesystem& fs, origin::Origin& origin, const Reply& reply, NodeId id,
                       const XattrChange& change) {
  AC_ASSIGN(const origin::Attributes before, stat_node(fs, origin, id));
  AC_TRY(at_path(fs, id, [&](const std::string& path) { return apply_once(origin, reply, path, change); }));
  // ctime moved, and with an ACL the mode.
  if (const auto after = stat_node(fs, origin, id)) {
    note_attribute_change(fs, id, before, *after);
  } else {
    note_attributes_unknown(fs, id);
  }
  if (is_acl_name(change.name)) note_listed_acl(fs, id);
  return {};
}

}  // namespace

void getxattr(const FilesystemPtr& fs, Reply reply, NodeId id, std::string name, std::size_t room) {
  if (name == kAccessAcl) {
    return ask_for_acl(fs, id, [room, reply = std::move(reply)](const base::Result<std::string>& value) mutable {
      answer(reply, value, room);
    });
  }
  if (!fs->nodes().path(id)) return reply.fail(ENODATA);
  const bool is_acl = is_acl_name(name);
  fs->look<std::string>(
      [fs, id, name = std::move(name)](origin::Origin& origin) {
        return at_path(*fs, id, [&](const std::string& path) { return origin.get_xattr(path, name); });
      },
      [room, is_acl, reply = std::move(reply)](const base::Result<std::string>& value) mutable {
        if (is_acl && !value && value.error().errno_value == EOPNOTSUPP) return reply.fail(ENODATA);
        answer(reply, value, room);
      });
}

void listxattr(const FilesystemPtr& fs, Reply reply, NodeId id, std::size_t room) {
  if (!fs->nodes().path(id)) return answer(reply, std::string(), room);
  fs->look<std::string>(
      [fs, id](origin::Origin& origin) {
        return at_path(*fs, id, [&](const std::string& path) { return origin.list_xattrs(path); });
      },
      [room, reply = std::move(reply)](const base::Result<std::string>& names) mutable { answer(reply, names, room); });
}

void change_xattr(const FilesystemPtr& fs, Reply reply, NodeId id, XattrChange change) {
  fs->change(node_key(id),
             [fs, id, change = std::move(change), reply = std::move(reply)](origin::Origin& origin) mutable {
               const auto changed = run(*fs, origin, reply, id, change);
               if (!changed) return reply.fail(changed.error());
               reply.done();
             });
}

}  // namespace arenacache::vfs
