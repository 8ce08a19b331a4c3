// SPDX-License-Identifier: Apache-2.0
#include "worker_privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// The leak check at the end of a run attaches to the process.
constexpr bool kIsSanitized = true;
#else
constexpr bool kIsSanitized = false;
#endif

constexpr auto kKept = std::to_array<unsigned>({
    CAP_SYS_ADMIN,        // FUSE_DEV_IOC_BACKING_OPEN; attributes in trusted.*
    CAP_DAC_OVERRIDE,     // the origin's files and the store are other people's
    CAP_DAC_READ_SEARCH,  // the same, for reading
    CAP_CHOWN,            // chown through the mount
    CAP_FOWNER,           // chmod, utimes, xattrs, sticky folders; O_NOATIME
    CAP_FSETID,           // setgid bits stay
    CAP_SETUID,           // setfsuid: files are made as the program that makes them
    CAP_SETGID,           // setfsgid, setgroups
    CAP_MKNOD,            // mknod through the mount
    CAP_SETFCAP,          // attributes in security.capability
    CAP_SYS_RESOURCE,     // what a file system reserves for root
});

std::uint64_t bit(unsigned capability) { return std::uint64_t{1} << capability; }

/// The bounding set: what an exec could give back. Needs CAP_SETPCAP, which a service manager may have taken: then it has drawn the
/// bounds itself.
void bound(std::uint64_t kept) {
  for (unsigned capability = 0; capability < 64; ++capability) {
    const int has = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (has < 0) return;  // past the last one that the kernel knows
    if (has == 1 && (kept & bit(capability)) == 0 && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return;
  }
}

Result<void> keep_only(std::uint64_t kept) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) {
    return base::fail_errno(ErrorKind::invalid, errno, "cannot read the worker's capabilities");
  }
  for (unsigned word = 0; word < sets.size(); ++word) {
    const auto part = static_cast<std::uint32_t>(kept >> (32U * word));
    sets.at(word).permitted &= part;
    sets.at(word).effective &= part;
    sets.at(word).inheritable = 0;
  }
  if (::syscall(SYS_capset, &header, sets.data()) == 0) return {};
  return base::fail_errno(ErrorKind::invalid, errno, "cannot drop the worker's capabilities");
}

}  // namespace

std::uint64_t kept_capabilities() {
  std::uint64_t kept = kIsSanitized ? bit(CAP_SYS_PTRACE) : 0;
  for (const unsigned capability : kKept) kept |= bit(capability);
  return kept;
}

Result<void> drop_privileges() {
  const std::uint64_t kept = kept_capabilities();
  bound(kept);
  static_cast<void>(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));  // before Linux 4.3 there are none
  Result<void> dropped = keep_only(kept);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 && dropped) {
    dropped = base::fail_errno(ErrorKind::invalid, errno, "cannot set no_new_privs");
  }
  return dropped;
}

}  // namespace arenacache::daemon
