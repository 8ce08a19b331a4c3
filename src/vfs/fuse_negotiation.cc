// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fuse_session.h"

namespace arenacache::vfs {

namespace {

constexpr unsigned kMaxWrite = 1U << 20U;
// Misses wait in the kernel's queue of background requests: with its default of 12, a dozen hung readaheads stop all others.
constexpr unsigned kMaxBackground = 1024;
constexpr unsigned kCongestionThreshold = 768;

// EXPLICIT_INVAL_DATA and not AUTO_INVAL_DATA: pages are of the version that was opened, whatever stat says now.
// DONT_MASK: the origin applies the caller's umask, or a folder's default ACL in its place.
constexpr auto kWanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_ATOMIC_O_TRUNC |
                         FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
                         FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK;

// HANDLE_KILLPRIV: the daemon writes as root, which takes no setuid bit away; the kernel does it before the write.
// WRITEBACK_CACHE: a write reaches the origin before the program is told so. Splice: replies from memory are faster.
constexpr auto kUnwanted = FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_WRITEBACK_CACHE |
                           FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
                           FUSE_CAP_SPLICE_MOVE | FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;

}  // namespace

void negotiate(const config::FuseConfig& options, fuse_conn_info& connection) {
  using Capabilities = decltype(connection.want);
  connection.want &= ~static_cast<Capabilities>(kUnwanted);
  connection.want |= static_cast<Capabilities>(kWanted) & connection.capable;
  connection.max_write = std::min(connection.max_write, kMaxWrite);
  connection.max_readahead = std::max(connection.max_readahead, static_cast<unsigned>(options.readahead));
  connection.max_background = kMaxBackground;
  connection.congestion_threshold = kCongestionThreshold;
}

}  // namespace arenacache::vfs
