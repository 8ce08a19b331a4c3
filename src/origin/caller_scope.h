// SPDX-License-Identifier: Apache-2.0
// CallerScope: while it lives, the calling thread's file system calls are made with a caller's ids, groups and umask.
// Promises: this thread alone changes, and everything is put back. A daemon that is not root keeps its ids: only the umask
// applies. Threads: one scope a thread at a time. Never: touches the process's credentials (glibc's wrappers would).
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "arenacache/origin/origin.h"

namespace arenacache::origin {

class CallerScope {
 public:
  explicit CallerScope(const Caller& caller);
  ~CallerScope();
  CallerScope(const CallerScope&) = delete;
  CallerScope& operator=(const CallerScope&) = delete;

  /// 0, or the errno why the caller's ids could not be taken: then nothing may be done in the caller's name.
  [[nodiscard]] int error() const { return error_; }

 private:
  int take_umask(mode_t umask);
  int take_ids(const Caller& caller);
  void put_ids_back();

  int error_ = 0;
  bool has_umask_ = false;
  bool has_groups_ = false;
  bool has_ids_ = false;
  mode_t old_umask_ = 0;
  std::vector<gid_t> old_groups_;
};

/// `call()` (a system call: -1 and errno) in the caller's name. For what creates.
template <class Call>
auto as_caller(const Caller& caller, const Call& call) -> decltype(call()) {
  const CallerScope scope(caller);
  if (scope.error() != 0) {
    errno = scope.error();
    return -1;
  }
  return call();
}

/// `call()` as the daemon; where that is refused (an NFS server that squashes root), once more as the caller.
template <class Call>
auto as_daemon_or_caller(const Caller& caller, const Call& call) -> decltype(call()) {
  const auto result = call();
  const bool is_refused = result < 0 && (errno == EACCES || errno == EPERM);
  if (!is_refused || caller.uid == 0 || ::geteuid() != 0) return result;
  return as_caller(caller, call);
}

}  // namespace arenacache::origin
