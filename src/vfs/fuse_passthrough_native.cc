// SPDX-License-Identifier: Apache-2.0
// libfuse >= 3.17 speaks passthrough itself.
#include "fuse_passthrough.h"

namespace arenacache::vfs {

void ask_for_passthrough(PassthroughAsked& asked, fuse_conn_info& connection) {
  asked.is_offered = (connection.capable & FUSE_CAP_PASSTHROUGH) != 0;
  if (asked.stack_depth == 0 || !asked.is_offered) return;
  connection.want |= FUSE_CAP_PASSTHROUGH;
  connection.max_backing_stack_depth = asked.stack_depth - 1;  // what libfuse tells the kernel is one more
}

int reply_backed_open(fuse_req_t request, const fuse_entry_param* entry, fuse_file_info info, std::int32_t backing_id) {
  info.keep_cache = 0;
  info.direct_io = 0;
  info.backing_id = backing_id;
  return entry != nullptr ? ::fuse_reply_create(request, entry, &info) : ::fuse_reply_open(request, &info);
}

void see_request(PassthroughAsked& /*asked*/, std::span<const std::byte> /*request*/) {}
void see_reply(const PassthroughAsked& /*asked*/, std::span<const iovec> /*parts*/) {}

}  // namespace arenacache::vfs
