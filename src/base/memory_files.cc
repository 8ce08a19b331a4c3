// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/memory_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::base {

namespace {

bool configure(int context, const char* key, const char* value) {
  return ::syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0) == 0;
}

/// A tmpfs that is mounted nowhere: its root.
UniqueFd mount_huge_tmpfs() {
  const UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)));
  if (!context.is_open()) return {};
  // Huge pages as far as the file's size goes. How much memory is used is the caller's affair, not half of the machine's.
  const bool is_made = configure(context.get(), "huge", "within_size") && configure(context.get(), "size", "0") &&
                       configure(context.get(), "mode", "0700") &&
                       ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
  if (!is_made) return {};
  constexpr unsigned kAttributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  return UniqueFd(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, kAttributes)));
}

UniqueFd open_nameless(int folder) {
  if (folder < 0) return {};
  return UniqueFd(::openat(folder, ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR));
}

}  // namespace

MemoryFiles MemoryFiles::with_huge_pages() { return MemoryFiles(mount_huge_tmpfs()); }

Result<UniqueFd> MemoryFiles::create(std::uint64_t size) const {
  UniqueFd file = open_nameless(folder_.get());
  if (!file.is_open()) file = UniqueFd(::memfd_create("arenacache", MFD_CLOEXEC));
  if (!file.is_open()) return fail_errno(ErrorKind::store, errno, "cannot make a file in memory");
  if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0) {
    return fail_errno(ErrorKind::store, errno, "cannot make room in memory");
  }
  return file;
}

}  // namespace arenacache::base
