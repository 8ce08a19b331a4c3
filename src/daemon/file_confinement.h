// SPDX-License-Identifier: Apache-2.0
// FileConfinement: Landlock, by which the kernel refuses the worker every file outside of what it serves and needs, whatever a
// mistake of ours, a symlink or a rename would have it open.
// Promises: afterwards the calling thread, and every thread it starts, opens, makes, moves and removes nothing but what the rules
// name; what is open already stays usable. Files are known by inode: a folder that is moved keeps its rule.
// Threads: called once, before any other thread is started. Never: ends the process.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"

namespace arenacache::daemon {

/// Names that do not exist are left out.
struct FileRules {
  std::vector<int> served;  ///< folders, open: all but starting programs and talking to devices
  std::vector<std::string> owned;  ///< folders: the same
  std::vector<std::string> socket_folders;  ///< sockets come and go in them
  std::vector<std::string> readable;  ///< files, and folders with all in them
  std::vector<std::string> writable;  ///< files, for reading and writing
};

/// What the worker needs: sources and store whole; the socket's and the configuration's folder; what libraries read. Makes the
/// folders of store (mode 0700) and socket where they are missing, which could not be made afterwards.
[[nodiscard]] base::Result<FileRules> worker_rules(const config::Config& config, std::span<const int> sources);

/// Puts the rules in force; needs no_new_privs. Returns the version of Landlock. ErrorKind::invalid where the kernel has none, or only
/// the first one (Linux 5.13), which forbids every rename between folders.
[[nodiscard]] base::Result<int> confine_files(const FileRules& rules);

}  // namespace arenacache::daemon
