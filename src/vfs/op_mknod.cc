// SPDX-License-Identifier: Apache-2.0
// mkdir, mknod and symlink: a new name, made as the caller.
#include <functional>
#include <utility>

#include "caller.h"
#include "operations.h"
#include "origin_access.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

using Make =
    std::move_only_function<base::Result<void>(origin::Origin&, const std::string& path, const origin::Caller&)>;

void make(const FilesystemPtr& fs, Reply reply, OwnedName name, Make make_it) {
  const origin::ChangeKey key = name_key(name.view());
  fs->change(key, [fs, name = std::move(name), make_it = std::move(make_it),
                   reply = std::move(reply)](origin::Origin& origin) mutable {
    const origin::Caller caller = caller_of(reply.requester());
    const auto made = at_path(*fs, name.view(), [&](const std::string& path) { return make_it(origin, path, caller); });
    if (!made) return reply.fail(made.error());
    reply_new_entry(*fs, origin, reply, name.view());
  });
}

}  // namespace

void mkdir(const FilesystemPtr& fs, Reply reply, OwnedName name, mode_t mode) {
  make(fs, std::move(reply), std::move(name),
       [mode](origin::Origin& origin, const std::string& path, const origin::Caller& caller) {
         return origin.make_directory(path, mode, caller);
       });
}

void mknod(const FilesystemPtr& fs, Reply reply, OwnedName name, mode_t mode, dev_t device) {
  make(fs, std::move(reply), std::move(name),
       [mode, device](origin::Origin& origin, const std::string& path, const origin::Caller& caller) {
         return origin.make_node(path, mode, device, caller);
       });
}

void symlink(const FilesystemPtr& fs, Reply reply, OwnedName name, std::string target) {
  make(fs, std::move(reply), std::move(name),
       [target = std::move(target)](origin::Origin& origin, const std::string& path, const origin::Caller& caller) {
         return origin.make_symlink(path, target, caller);
       });
}

}  // namespace arenacache::vfs
