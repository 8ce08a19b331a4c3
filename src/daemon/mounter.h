// SPDX-License-Identifier: Apache-2.0
// Mounting and unmounting: by system calls as root, through fusermount3 as an ordinary user.
// Promises: as root the folder that was opened is the one mounted over, whatever its path has become since (a symbolic link
// put in its way moves nothing), and the kernel shows no mount that failed half-way.
// Threads: one. Locks: none. Never: sends a request to the mount it makes (a stat of it would wait for the worker).
#pragma once

#include <cstdint>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "fd_channel.h"
#include "keeper_process.h"

namespace arenacache::daemon {

/// The type that mountinfo shows for our mounts.
inline constexpr const char* kMountType = "fuse.arenacache";

struct MountRequest {
  std::string mountpoint;  ///< absolute
  std::string source_name;  ///< what mountinfo shows as the mount's source
  int place = -1;  ///< O_PATH of the folder to mount over; the caller's
  bool is_dead = false;  ///< nobody answers: what waits for an answer is to be given an error
};

struct MountedFuse {
  base::UniqueFd fuse;  ///< the connection, an open /dev/fuse
  std::string bdi_name;  ///< "MAJOR:MINOR" under /sys/class/bdi; empty if not found
};

/// Mounts by system calls; needs CAP_SYS_ADMIN. Does not block on the folder's file system.
[[nodiscard]] base::Result<MountedFuse> mount_as_root(const MountRequest& request);

/// A fusermount3 on its way: it walks the mountpoint's path, so it may hang where that does.
struct FusermountCall {
  ChildProcess process;
  FdChannel channel;  ///< readable once it has mounted, or given up
};
[[nodiscard]] base::Result<FusermountCall> start_fusermount(const MountRequest& request);
/// Takes the connection from a call whose channel is readable.
[[nodiscard]] base::Result<MountedFuse> finish_fusermount(const FusermountCall& call, const MountRequest& request);

/// How an unmount went; also the exit code of a child that does nothing else.
enum class UnmountOutcome : int {
  clean = 0,  ///< gone
  lazy = 1,  ///< out of the tree, but programs hold files of it open
  failed = 2,  ///< still there
};

/// Unmounts ours from over `request.place`: at once if idle, else lazily. Blocks while the kernel writes mapped pages back.
[[nodiscard]] UnmountOutcome unmount_as_root(const MountRequest& request);
[[nodiscard]] UnmountOutcome unmount_by_fusermount(const MountRequest& request);

/// True while the mount table has ours over `request.place`. Asks no file system.
[[nodiscard]] bool is_mounted(const MountRequest& request);

/// Sets read_ahead_kb of a mount; false where /sys does not let us.
[[nodiscard]] bool set_readahead(const std::string& bdi_name, std::uint64_t kib);

}  // namespace arenacache::daemon
