// SPDX-License-Identifier: Apache-2.0
#include "caller_scope.h"

#include <grp.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "arenacache/base/result.h"

namespace arenacache::origin {
namespace {

// The umask belongs to a struct that threads share; a thread that sets it takes its own copy first, once.
int own_umask() {
  static thread_local bool is_own = false;
  if (is_own) return 0;
  if (::unshare(CLONE_FS) != 0) return errno;
  is_own = true;
  return 0;
}

// setfsuid(2) and setfsgid(2) never fail: they return the id before. An impossible id changes nothing and so asks.
uid_t current_fsuid() { return static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1))); }
gid_t current_fsgid() { return static_cast<gid_t>(::setfsgid(static_cast<gid_t>(-1))); }

// glibc's setgroups(3) changes every thread of the process.
int set_thread_groups(const std::vector<gid_t>& groups) {
  return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0 ? 0 : errno;
}

int get_thread_groups(std::vector<gid_t>& groups) {
  const int count = ::getgroups(0, nullptr);
  if (count < 0) return errno;
  groups.resize(static_cast<std::size_t>(count));
  return ::getgroups(count, groups.data()) == count ? 0 : EPERM;
}

}  // namespace

CallerScope::CallerScope(const Caller& caller) {
  error_ = take_umask(caller.umask);
  if (error_ == 0 && ::geteuid() == 0) error_ = take_ids(caller);
}

CallerScope::~CallerScope() {
  const int error = errno;  // what the caller's system call said
  put_ids_back();
  if (has_umask_) ::umask(old_umask_);
  errno = error;
}

int CallerScope::take_umask(mode_t umask) {
  if (const int error = own_umask(); error != 0) return error;
  old_umask_ = ::umask(umask & 0777);
  has_umask_ = true;
  return 0;
}

int CallerScope::take_ids(const Caller& caller) {
  if (const int error = get_thread_groups(old_groups_); error != 0) return error;
  if (old_groups_ != caller.groups) {
    if (const int error = set_thread_groups(caller.groups); error != 0) return error;
    has_groups_ = true;
  }
  has_ids_ = true;
  ::setfsgid(caller.gid);
  ::setfsuid(caller.uid);  // last: it takes the capabilities away that root's own calls have
  if (current_fsgid() != caller.gid || current_fsuid() != caller.uid) return EPERM;
  return 0;
}

void CallerScope::put_ids_back() {
  if (has_ids_) {
    ::setfsuid(::geteuid());
    ::setfsgid(::getegid());
    AC_CHECK(current_fsuid() == ::geteuid() && current_fsgid() == ::getegid());
  }
  if (has_groups_) AC_CHECK(set_thread_groups(old_groups_) == 0);
}

}  // namespace arenacache::origin
