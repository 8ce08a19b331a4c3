// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

void readlink(const FilesystemPtr& fs, Reply reply, NodeId id) {
  fs->look<std::string>(
      [fs, id](origin::Origin& origin) {
        return at_path(*fs, id, [&](const std::string& path) { return origin.read_link(path); });
      },
      [reply = std::move(reply)](base::Result<std::string> target) mutable {
        if (!target) return reply.fail(target.error());
        reply.target(*target);
      });
}

}  // namespace arenacache::vfs
