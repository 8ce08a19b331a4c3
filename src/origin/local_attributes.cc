// SPDX-License-Identifier: Apache-2.0
// setattr and xattrs of local files: one change of several attributes is several system calls, in the order in which none
// undoes another.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "arenacache/base/text.h"
#include "arenacache/origin/local_origin.h"
#include "arenacache/origin/origin.h"
#include "beneath.h"
#include "caller_scope.h"
#include "origin_error.h"

namespace arenacache::origin {
namespace {

std::array<timespec, 2> times_of(const AttributeChange& change) {
  constexpr timespec kKeep{.tv_sec = 0, .tv_nsec = UTIME_OMIT};
  return {change.access_time.value_or(kKeep), change.modify_time.value_or(kKeep)};
}

/// The system calls of one setattr; -1 and errno at the first that fails. Size before owner before mode before times: a
/// truncation and a new owner clear the set-id bits, a truncation moves mtime.
template <class Target>
int apply(Target& target, const AttributeChange& change) {
  if (change.size && target.set_size(static_cast<off_t>(*change.size)) != 0) return -1;
  if (change.uid || change.gid) {
    // -1 keeps what it is.
    constexpr auto kKeep = static_cast<uid_t>(-1);
    if (target.set_owner(change.uid.value_or(kKeep), change.gid.value_or(kKeep)) != 0) return -1;
  }
  if (change.mode && target.set_mode(*change.mode & 07777) != 0) return -1;
  if (change.access_time || change.modify_time) return target.set_times(times_of(change));
  return 0;
}

/// A name, held by an O_PATH descriptor, so that all calls go to one file.
class NamedTarget {
 public:
  explicit NamedTarget(int fd) : fd_(fd), file_(descriptor_path(fd)) {}

  int set_size(off_t size) { return ::truncate(file_.c_str(), size); }
  int set_owner(uid_t uid, gid_t gid) { return ::fchownat(fd_, "", uid, gid, AT_EMPTY_PATH); }
  int set_mode(mode_t mode) {
    struct ::stat attributes{};
    if (::fstat(fd_, &attributes) != 0) return -1;
    if (S_ISLNK(attributes.st_mode)) {  // some file systems would change it, against the kernel's own rule
      errno = EOPNOTSUPP;
      return -1;
    }
    return ::chmod(file_.c_str(), mode);
  }
  int set_times(const std::array<timespec, 2>& times) { return ::utimensat(fd_, "", times.data(), AT_EMPTY_PATH); }

 private:
  const int fd_;
  const std::string file_;
};

class OpenTarget {
 public:
  explicit OpenTarget(int fd) : fd_(fd) {}

  int set_size(off_t size) { return ::ftruncate(fd_, size); }
  int set_owner(uid_t uid, gid_t gid) { return ::fchown(fd_, uid, gid); }
  int set_mode(mode_t mode) { return ::fchmod(fd_, mode); }
  int set_times(const std::array<timespec, 2>& times) { return ::futimens(fd_, times.data()); }

 private:
  const int fd_;
};

}  // namespace

base::Result<void> set_attributes(OriginFile& file, const AttributeChange& change, const Caller& caller) {
  if (file.descriptor() < 0) {  // no file of this machine: only what every open file can do
    if (change.size) AC_TRY(file.truncate(*change.size));
    if (!change.mode && !change.uid && !change.gid && !change.access_time && !change.modify_time) return {};
    return base::fail_errno(base::ErrorKind::origin, EOPNOTSUPP,
                            "cannot change attributes of an open file of the source");
  }
  OpenTarget target(file.descriptor());
  if (as_daemon_or_caller(caller, [&] { return apply(target, change); }) != 0) {
    return failed("change attributes of", "an open file");
  }
  return {};
}

base::Result<void> LocalOrigin::set_attributes(const std::string& path, const AttributeChange& change,
                                               const Caller& caller) {
  const base::UniqueFd fd = open_beneath(directory_.get(), path, O_PATH);
  if (!fd.is_open()) return failed("change attributes of", path);
  NamedTarget target(fd.get());
  if (as_daemon_or_caller(caller, [&] { return apply(target, change); }) != 0)
    return failed("change attributes of", path);
  return {};
}

base::Result<void> LocalOrigin::set_xattr(const std::string& path, const std::string& name, const std::string& value,
                                          int flags, const Caller& caller) {
  const base::UniqueFd fd = open_beneath(directory_.get(), path, O_PATH);
  const auto call = [&, file = descriptor_path(fd.get())] {
    return ::setxattr(file.c_str(), name.c_str(), value.data(), value.size(), flags);
  };
  if (!fd.is_open() || as_daemon_or_caller(caller, call) != 0)
    return failed(base::text("set xattr ", name, " of"), path);
  return {};
}

base::Result<void> LocalOrigin::remove_xattr(const std::string& path, const std::string& name, const Caller& caller) {
  const base::UniqueFd fd = open_beneath(directory_.get(), path, O_PATH);
  const auto call = [&, file = descriptor_path(fd.get())] { return ::removexattr(file.c_str(), name.c_str()); };
  if (!fd.is_open() || as_daemon_or_caller(caller, call) != 0) {
    return failed(base::text("remove xattr ", name, " of"), path);
  }
  return {};
}

}  // namespace arenacache::origin
