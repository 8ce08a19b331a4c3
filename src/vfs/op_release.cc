// SPDX-License-Identifier: Apache-2.0
#include "operations.h"
#include "reply_entry.h"

namespace arenacache::vfs {

void release(const FilesystemPtr& fs, Reply reply, HandleId handle) {
  close_handle(fs, handle);
  reply.done();
}

}  // namespace arenacache::vfs
