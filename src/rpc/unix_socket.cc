// SPDX-License-Identifier: Apache-2.0
#include "unix_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "arenacache/base/tasks.h"
#include "arenacache/base/text.h"

namespace arenacache::rpc {

using base::ErrorKind;
using base::fail;
using base::fail_errno;
using base::Result;
using base::text;
using base::UniqueFd;

namespace {

constexpr mode_t kSocketMode = 0660;
constexpr int kBacklog = 64;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty()) return fail(ErrorKind::invalid, EINVAL, "the socket's path is empty");
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::invalid, ENAMETOOLONG,
                text("the socket's path ", path, " is longer than the ", sizeof address.sun_path - 1,
                     " bytes a socket may have"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);  // what the socket API asks for
}

Result<UniqueFd> new_socket(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return fail_errno(ErrorKind::store, errno, text("cannot make a socket for ", path));
  return fd;
}

Result<void> set_nonblocking(const UniqueFd& fd, const std::string& path) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0) {
    return fail_errno(ErrorKind::store, errno, text("cannot set up the socket ", path));
  }
  return {};
}

/// Whoever listens at the other end has been killed, and is kept from ending by what it waits for.
bool listener_is_over(const UniqueFd& connection) {
  ucred peer{};
  socklen_t length = sizeof peer;
  return ::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.pid > 0 &&
         base::is_over(peer.pid);
}

/// Success when a new socket may take the path: nothing is there, or a socket nobody listens at.
Result<void> check_path_is_free(const std::string& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) < 0) {
    if (errno == ENOENT) return {};
    return fail_errno(ErrorKind::invalid, errno, text("cannot look at the socket's path ", path));
  }
  if (!S_ISSOCK(found.st_mode)) {
    return fail(ErrorKind::invalid, EEXIST,
                text(path, " is there already and is not a socket: remove it, or choose another socket"));
  }
  AC_ASSIGN(const sockaddr_un address, address_of(path));
  AC_ASSIGN(const UniqueFd probe, new_socket(path));
  AC_TRY(set_nonblocking(probe, path));
  const bool is_connected = ::connect(probe.get(), generic(address), sizeof address) == 0;
  if (is_connected && listener_is_over(probe)) return {};
  if (is_connected || errno == EAGAIN) {
    return fail(ErrorKind::invalid, EADDRINUSE,
                text("a daemon answers at ", path, " already: stop it, or choose another socket"));
  }
  if (errno == ECONNREFUSED || errno == ENOENT) return {};
  return fail_errno(ErrorKind::invalid, errno, text("cannot tell whether a daemon answers at ", path));
}

Result<void> make_parent(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (parent.empty()) return {};
  std::error_code error;
  std::filesystem::create_directories(parent, error);
  if (error)
    return fail_errno(ErrorKind::invalid, error.value(), text("cannot make the socket's folder ", parent.native()));
  return {};
}

Result<gid_t> group_id(const std::string& name) {
  std::vector<char> buffer(16384);
  struct group entry{};
  struct group* found = nullptr;
  const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return fail(ErrorKind::invalid, error, text("there is no group \"", name, "\" for the socket"));
  return found->gr_gid;
}

Result<void> set_owner(const std::string& path, const std::string& group) {
  if (::chmod(path.c_str(), kSocketMode) < 0) {
    return fail_errno(ErrorKind::invalid, errno, text("cannot set the mode of the socket ", path));
  }
  if (group.empty()) return {};
  AC_ASSIGN(const gid_t id, group_id(group));
  if (::chown(path.c_str(), static_cast<uid_t>(-1), id) < 0) {
    return fail_errno(ErrorKind::invalid, errno, text("cannot give the socket ", path, " to the group ", group));
  }
  return {};
}

/// Binds at a name beside `path`, sets the owner, listens, and moves it into place.
Result<void> put_in_place(const UniqueFd& fd, const std::string& path, const std::string& group) {
  const std::string temporary = text(path, ".", ::getpid());
  AC_ASSIGN(const sockaddr_un address, address_of(temporary));
  ::unlink(temporary.c_str());
  if (::bind(fd.get(), generic(address), sizeof address) < 0) {
    return fail_errno(ErrorKind::invalid, errno, text("cannot make the socket ", path));
  }
  Result<void> owned = set_owner(temporary, group);
  if (owned && ::listen(fd.get(), kBacklog) < 0) {
    owned = fail_errno(ErrorKind::invalid, errno, text("cannot listen at ", path));
  }
  if (owned && ::rename(temporary.c_str(), path.c_str()) < 0) {
    owned = fail_errno(ErrorKind::invalid, errno, text("cannot put the socket at ", path));
  }
  if (!owned) ::unlink(temporary.c_str());
  return owned;
}

timeval to_timeval(std::chrono::nanoseconds duration) {
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return {.tv_sec = microseconds / 1'000'000, .tv_usec = microseconds % 1'000'000};
}

std::unexpected<base::Error> connect_failure(int error, const std::string& path) {
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
    case ENOTDIR:
      return fail(ErrorKind::origin, error, text("no daemon answers at ", path, ": is arenacached running?"));
    case EACCES:
    case EPERM:
      return fail(ErrorKind::origin, error,
                  text("you may not use the socket ", path, ": ask as its owner, or as a member of its group"));
    case EAGAIN:
    case ETIMEDOUT:
      return fail(ErrorKind::timeout, ETIMEDOUT,
                  text("the daemon at ", path, " is there but takes no connection in time"));
    default:
      return fail_errno(ErrorKind::origin, error, text("cannot connect to ", path));
  }
}

}  // namespace

void ListeningSocket::remove_file() const {
  struct stat found{};
  if (::lstat(path.c_str(), &found) == 0 && found.st_dev == device && found.st_ino == inode) ::unlink(path.c_str());
}

Result<ListeningSocket> listen_at(const std::string& path, const std::string& group) {
  AC_TRY(address_of(path));
  AC_TRY(make_parent(path));
  AC_TRY(check_path_is_free(path));
  ListeningSocket out{.fd = {}, .path = path};
  AC_ASSIGN(out.fd, new_socket(path));
  AC_TRY(set_nonblocking(out.fd, path));
  AC_TRY(put_in_place(out.fd, path, group));
  struct stat made{};
  if (::lstat(path.c_str(), &made) == 0) {
    out.device = made.st_dev;
    out.inode = made.st_ino;
  }
  return out;
}

Result<UniqueFd> connect_to(const std::string& path, std::chrono::nanoseconds timeout) {
  AC_ASSIGN(const sockaddr_un address, address_of(path));
  AC_ASSIGN(UniqueFd fd, new_socket(path));
  // A full backlog makes connect(2) wait; on a Unix socket SO_SNDTIMEO bounds that, a non-blocking one has no event for it.
  const timeval limit = to_timeval(timeout);
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0) {
    return fail_errno(ErrorKind::origin, errno, text("cannot set up a connection to ", path));
  }
  if (::connect(fd.get(), generic(address), sizeof address) < 0) return connect_failure(errno, path);
  AC_TRY(set_nonblocking(fd, path));
  return fd;
}

}  // namespace arenacache::rpc
