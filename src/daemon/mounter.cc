// SPDX-License-Identifier: Apache-2.0
#include "mounter.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "keeper_mount_table.h"

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;
using base::text;
using base::UniqueFd;

namespace {

/// The largest read the kernel may send. Source: FUSE_MAX_MAX_PAGES pages of 4 KiB.
constexpr const char* kMaxRead = "1048576";

Result<void> set_option(int context, const char* key, const std::string& value) {
  if (::fsconfig(context, FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0) return {};
  return base::fail_errno(ErrorKind::invalid, errno, text("cannot set the mount option ", key));
}

Result<void> set_flag(int context, const char* key) {
  if (::fsconfig(context, FSCONFIG_SET_FLAG, key, nullptr, 0) == 0) return {};
  return base::fail_errno(ErrorKind::invalid, errno, text("cannot set the mount option ", key));
}

/// A file system that lies nowhere yet, as an O_PATH descriptor of its root.
Result<UniqueFd> create_detached(int fuse_fd, const std::string& source_name) {
  const UniqueFd context(::fsopen("fuse", FSOPEN_CLOEXEC));
  if (!context.is_open()) return base::fail_errno(ErrorKind::invalid, errno, "cannot make a FUSE file system");
  AC_TRY(set_option(context.get(), "source", source_name));
  AC_TRY(set_option(context.get(), "subtype", "arenacache"));
  AC_TRY(set_option(context.get(), "fd", std::to_string(fuse_fd)));
  AC_TRY(set_option(context.get(), "rootmode", "40000"));
  AC_TRY(set_option(context.get(), "user_id", "0"));
  AC_TRY(set_option(context.get(), "group_id", "0"));
  AC_TRY(set_option(context.get(), "max_read", kMaxRead));
  AC_TRY(set_flag(context.get(), "allow_other"));
  AC_TRY(set_flag(context.get(), "default_permissions"));
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return base::fail_errno(ErrorKind::invalid, errno, "cannot make a FUSE file system");
  }
  UniqueFd root(::fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  if (!root.is_open()) return base::fail_errno(ErrorKind::invalid, errno, "cannot make a FUSE mount");
  return root;
}

/// The device number of the file system under `root`, from what the kernel knows without asking the worker.
std::string bdi_name_of(int root) {
  struct statx attributes{};
  if (::statx(root, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &attributes) != 0) return {};
  return text(attributes.stx_dev_major, ':', attributes.stx_dev_minor);
}

/// fusermount3 splits its options at commas.
std::string escape_option(const std::string& value) {
  std::string escaped;
  for (const char letter : value) {
    if (letter == ',' || letter == '\\') escaped += '\\';
    escaped += letter;
  }
  return escaped;
}

/// Runs fusermount3 to its end; true if it succeeded. Only for a child that may block.
bool run_fusermount(const std::vector<const char*>& arguments) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (const char* argument : arguments) argv.push_back(const_cast<char*>(argument));
    argv.push_back(nullptr);
    const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    ::dup2(null.get(), STDERR_FILENO);  // "busy" is an answer here, not a complaint
    ::execvp("fusermount3", argv.data());
    ::_exit(127);
  }
  int status = 0;
  return pid > 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Our entry of the mount table for the folder `request.place`.
std::optional<MountEntry> find_ours(const MountRequest& request) {
  const std::string path = path_of_open_fd(request.place);
  auto table = read_mount_table();
  const auto found = std::ranges::find_if(
      table, [&](const MountEntry& entry) { return entry.type == kMountType && entry.mountpoint == path; });
  if (found == table.end()) return std::nullopt;
  return std::move(*found);
}

}  // namespace

Result<MountedFuse> mount_as_root(const MountRequest& request) {
  const std::string deed = text("cannot mount over ", request.mountpoint);
  UniqueFd fuse(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!fuse.is_open()) return base::fail_errno(ErrorKind::invalid, errno, text(deed, ": cannot open /dev/fuse"));
  auto root = create_detached(fuse.get(), request.source_name);
  if (!root) return base::fail(root.error().kind, root.error().errno_value, text(deed, ": ", root.error().what));
  std::string bdi_name = bdi_name_of(root->get());
  if (::move_mount(root->get(), "", request.place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    return base::fail_errno(ErrorKind::invalid, errno, deed);
  }
  return MountedFuse{.fuse = std::move(fuse), .bdi_name = std::move(bdi_name)};
}

Result<FusermountCall> start_fusermount(const MountRequest& request) {
  AC_ASSIGN(auto ends, FdChannel::create_pair());
  const std::string options = text("default_permissions,max_read=", kMaxRead,
                                   ",subtype=arenacache,fsname=", escape_option(request.source_name));
  const Program program{.executable = "fusermount3",
                        .arguments = {"fusermount3", "-o", options, "--", request.mountpoint},
                        .inherited_fd = ends.second.fd(),
                        .environment = {text("_FUSE_COMMFD=", ends.second.fd())}};
  AC_ASSIGN(ChildProcess process, ChildProcess::spawn(program));
  return FusermountCall{.process = std::move(process), .channel = std::move(ends.first)};
}

Result<MountedFuse> finish_fusermount(const FusermountCall& call, const MountRequest& request) {
  auto fuse = call.channel.receive_bare_fd();
  if (fuse && fuse->has_value()) {
    const auto entry = find_ours(request);
    return MountedFuse{.fuse = std::move(**fuse), .bdi_name = entry ? entry->device : std::string()};
  }
  return base::fail(ErrorKind::invalid, EPERM,
                    text("cannot mount over ", request.mountpoint,
                         ": fusermount3 (of the package fuse3) is missing or refused, see its line above"));
}

UnmountOutcome unmount_as_root(const MountRequest& request) {
  // umount(2) steps from the folder that is mounted over into the mount on top, with no walk of a path that may hang.
  // Where nothing of ours lies on top it would unmount that folder's own file system, if the folder is its root.
  if (!is_mounted(request)) return UnmountOutcome::clean;
  const std::string path = text("/proc/self/fd/", request.place);
  // Ends the connection, which a thread that the kernel holds up would keep: it waits for an answer that nobody gives any more.
  if (request.is_dead) ::umount2(path.c_str(), MNT_FORCE);
  if (!is_mounted(request)) return UnmountOutcome::clean;
  if (::umount2(path.c_str(), 0) == 0) return UnmountOutcome::clean;
  return ::umount2(path.c_str(), MNT_DETACH) == 0 ? UnmountOutcome::lazy : UnmountOutcome::failed;
}

UnmountOutcome unmount_by_fusermount(const MountRequest& request) {
  if (!is_mounted(request)) return UnmountOutcome::clean;
  ::signal(SIGINT, SIG_IGN);  // a Ctrl-C for the daemon reaches its process group, and would leave the mount behind
  const char* mountpoint = request.mountpoint.c_str();
  if (run_fusermount({"fusermount3", "-u", "--", mountpoint})) return UnmountOutcome::clean;
  return run_fusermount({"fusermount3", "-u", "-z", "--", mountpoint}) ? UnmountOutcome::lazy : UnmountOutcome::failed;
}

bool is_mounted(const MountRequest& request) { return find_ours(request).has_value(); }

bool set_readahead(const std::string& bdi_name, std::uint64_t kib) {
  const UniqueFd file(::open(text("/sys/class/bdi/", bdi_name, "/read_ahead_kb").c_str(), O_WRONLY | O_CLOEXEC));
  const std::string value = std::to_string(kib);
  return file.is_open() && ::write(file.get(), value.data(), value.size()) == std::ssize(value);
}

}  // namespace arenacache::daemon
