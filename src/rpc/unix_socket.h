// SPDX-License-Identifier: Apache-2.0
// Unix stream sockets by path: how one is put there safely, and how it is reached.
// Promises: a listening socket appears at its path with its final mode and group, never half made; a dead socket file is
// replaced, a live one and anything that is no socket are refused with a sentence.
// Threads: any. Never: changes the process's umask.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::rpc {

/// A socket that listens, and which file it is: so that only our own is removed in the end.
struct ListeningSocket {
  base::UniqueFd fd;
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;

  /// Takes the file away if it is still ours.
  void remove_file() const;
};

/// Makes missing parent folders (0755), then listens at `path`, mode 0660, owned by `group` unless that is empty.
[[nodiscard]] base::Result<ListeningSocket> listen_at(const std::string& path, const std::string& group);

/// Connects, waiting at most `timeout`; the descriptor is non-blocking.
[[nodiscard]] base::Result<base::UniqueFd> connect_to(const std::string& path, std::chrono::nanoseconds timeout);

}  // namespace arenacache::rpc
