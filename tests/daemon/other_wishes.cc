// SPDX-License-Identifier: Apache-2.0
// What an arenacached of another version could ask of the kernel: linked in the place of the mirror's own.
#include "fuse_session.h"

namespace arenacache::vfs {

void negotiate(const config::FuseConfig& /*options*/, fuse_conn_info& connection) {
  connection.want &= ~static_cast<decltype(connection.want)>(FUSE_CAP_READDIRPLUS | FUSE_CAP_PARALLEL_DIROPS);
}

}  // namespace arenacache::vfs
