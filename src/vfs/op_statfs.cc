// SPDX-License-Identifier: Apache-2.0
#include <sys/statvfs.h>

#include <utility>

#include "operations.h"

namespace arenacache::vfs {

void statfs(const FilesystemPtr& fs, Reply reply) {
  fs->look<struct ::statvfs>([](origin::Origin& origin) { return origin.space(); },
                             [reply = std::move(reply)](const base::Result<struct ::statvfs>& space) mutable {
                               if (!space) return reply.fail(space.error());
                               reply.space(*space);
                             });
}

}  // namespace arenacache::vfs
