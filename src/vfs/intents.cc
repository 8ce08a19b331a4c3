// SPDX-License-Identifier: Apache-2.0
#include "intents.h"

#include <sys/stat.h>

#include <cerrno>

#include "origin_access.h"

namespace arenacache::vfs {

NamedInode inode_of(const origin::Attributes& attributes) {
  return {
      .is_there = true, .type = attributes.st_mode & S_IFMT, .device = attributes.st_dev, .inode = attributes.st_ino};
}

NamedInode inode_at(origin::Origin& origin, const std::string& path) {
  const auto there = origin.stat(path);
  return there ? inode_of(*there) : NamedInode{};
}

base::Result<void> note_free_name(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name) {
  if (reply.earlier<NewName>()) return {};
  AC_ASSIGN(const std::string path, path_of(fs, name));
  reply.intend(NewName{.before = inode_at(origin, path)});
  return {};
}

bool was_made_before(Filesystem& fs, origin::Origin& origin, const Reply& reply, Name name) {
  const auto earlier = reply.earlier<NewName>();
  const auto path = earlier ? path_of(fs, name) : base::Result<std::string>(std::string());
  return earlier && path && !earlier->before.is_there && inode_at(origin, *path).is_there;
}

}  // namespace arenacache::vfs
