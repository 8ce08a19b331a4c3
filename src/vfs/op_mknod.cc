// SPDX-License-Identifier: Apache-2.0
// mkdir, mknod and symlink: a new name, made as the caller.
#include <sys/stat.h>

#include <functional>
#include <utility>

#include "caller.h"
#include "intents.h"
#include "operations.h"
#include "origin_access.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

using Make =
    std::move_only_function<base::Result<void>(origin::Origin&, const std::string& path, const origin::Caller&)>;

/// Makes it, unless an earlier worker did: the name was free when it began, and is there now.
base::Result<void> make_once(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name, mode_t type,
                             Make& make_it) {
  AC_ASSIGN(const bool is_made, was_made_before(fs, origin, reply, name, type));
  if (is_made) return {};
  const origin::Caller caller = caller_of(reply.requester());
  return at_path(fs, name, [&](const std::string& path) { return make_it(origin, path, caller); });
}

void make(const FilesystemPtr& fs, Reply reply, OwnedName name, mode_t type, Make make_it) {
  const origin::ChangeKey key = name_key(name.view());
  fs->change(key, [fs, type, name = std::move(name), make_it = std::move(make_it),
                   reply = std::move(reply)](origin::Origin& origin) mutable {
    const auto made = despite_the_late(reply.was_begun_before(),
                                       [&] { return make_once(*fs, origin, reply, name.view(), type, make_it); });
    if (!made) return reply.fail(made.error());
    reply_new_entry(*fs, origin, reply, name.view());
  });
}

}  // namespace

void mkdir(const FilesystemPtr& fs, Reply reply, OwnedName name, mode_t mode) {
  make(fs, std::move(reply), std::move(name), S_IFDIR,
       [mode](origin::Origin& origin, const std::string& path, const origin::Caller& caller) {
         return origin.make_directory(path, mode, caller);
       });
}

void mknod(const FilesystemPtr& fs, Reply reply, OwnedName name, mode_t mode, dev_t device) {
  make(fs, std::move(reply), std::move(name), (mode & S_IFMT) != 0 ? mode : S_IFREG,
       [mode, device](origin::Origin& origin, const std::string& path, const origin::Caller& caller) {
         return origin.make_node(path, mode, device, caller);
       });
}

void symlink(const FilesystemPtr& fs, Reply reply, OwnedName name, std::string target) {
  make(fs, std::move(reply), std::move(name), S_IFLNK,
       [target = std::move(target)](origin::Origin& origin, const std::string& path, const origin::Caller& caller) {
         return origin.make_symlink(path, target, caller);
       });
}

}  // namespace arenacache::vfs
