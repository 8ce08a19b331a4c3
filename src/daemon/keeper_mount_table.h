// SPDX-License-Identifier: Apache-2.0
// The kernel's mount table of this process's namespace, read from /proc/self/mountinfo.
// Promises: reading it asks no file system anything, so it works while a mount hangs. Threads: any. Locks: none.
// Source of the format: proc(5), "/proc/pid/mountinfo".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace arenacache::daemon {

struct MountEntry {
  std::string id;          ///< as /proc/self/fdinfo shows it in "mnt_id:"
  std::string device;      ///< "MAJOR:MINOR"
  std::string mountpoint;  ///< unescaped
  std::string type;        ///< "ext4", "fuse.arenacache"
  std::string source;      ///< "/dev/sda1"; unescaped
};

/// One line of mountinfo; nothing for a line of another shape.
[[nodiscard]] std::optional<MountEntry> parse_mount_line(std::string_view line);

/// In the kernel's order: of two mounts on one folder the later one is on top. Empty where /proc is missing.
[[nodiscard]] std::vector<MountEntry> read_mount_table();

/// The mount that an open descriptor (O_PATH will do) lies on. Sends nothing to its file system.
[[nodiscard]] std::optional<MountEntry> mount_of_fd(int fd);

/// The path that the kernel has for an open descriptor now; empty if it has none.
[[nodiscard]] std::string path_of_open_fd(int fd);

}  // namespace arenacache::daemon
