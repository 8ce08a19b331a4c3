// SPDX-License-Identifier: Apache-2.0
#include "kernel_channel.h"

#include <cerrno>

#include "libfuse.h"

namespace arenacache::vfs {

namespace {

int expire(fuse_session* session, NodeId parent, const std::string& name) {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 16)
  return ::fuse_lowlevel_notify_expire_entry(session, std::to_underlying(parent), name.data(), name.size());
#else
  return ::fuse_lowlevel_notify_expire_entry(session, std::to_underlying(parent), name.data(), name.size(),
                                             FUSE_LL_EXPIRE_ONLY);
#endif
}

}  // namespace

void FuseKernelChannel::expire_entry(NodeId parent, const std::string& name) {
  // Expired, not invalidated: a program that stands in the folder, or has something mounted there, keeps it. A kernel that
  // cannot (before 6.2) drops the name, which it refuses where somebody is in its way.
  if (expire(desk_->session(), parent, name) != -ENOSYS) return;
  ::fuse_lowlevel_notify_inval_entry(desk_->session(), std::to_underlying(parent), name.data(), name.size());
}

void FuseKernelChannel::expire_attributes(NodeId node) {
  constexpr off_t kNoData = -1;
  ::fuse_lowlevel_notify_inval_inode(desk_->session(), std::to_underlying(node), kNoData, 0);
}

}  // namespace arenacache::vfs
