// SPDX-License-Identifier: Apache-2.0
#include "kernel_channel.h"

#include <sched.h>
#include <unistd.h>

#include <cerrno>

#include "arenacache/base/log.h"
#include "arenacache/base/result.h"
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

void FuseKernelChannel::enter() {
  // The kernel may hold this thread up for as long as a program holds a folder, and the program waits for an answer that only the
  // next worker can give. So when all other threads are dead, this one must not keep what they had open: that is how the keeper
  // knows that the worker is over, and how the store's lock comes free.
  if (::unshare(CLONE_FILES) != 0) {
    base::log_debug(base::errno_error(base::ErrorKind::invalid, errno, "cannot have open files of its own").what);
    return;
  }
  const auto fuse = static_cast<unsigned>(::fuse_session_fd(desk_->session()));
  if (fuse > 0) ::close_range(0, fuse - 1, 0);
  ::close_range(fuse + 1, ~0U, 0);
}

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

void FuseKernelChannel::drop_pages(NodeId node) {
  constexpr off_t kAll = 0;  // a length of 0: to the end
  ::fuse_lowlevel_notify_inval_inode(desk_->session(), std::to_underlying(node), kAll, 0);
}

}  // namespace arenacache::vfs
