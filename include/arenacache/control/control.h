// SPDX-License-Identifier: Apache-2.0
// Control: what can be asked of the daemon over its Unix socket: JSON-RPC methods on top of the engine.
// Promises: no client, however slow, silent, flooding or garbage-sending, disturbs reads or other clients.
// Threads: the rpc server's own. Never: touches a mount; paths given under a mountpoint are translated by their text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/result.h"
#include "arenacache/cache/engine.h"
#include "arenacache/config/config.h"

namespace arenacache::control {

/// A symlink of a source that leaves every source: what is behind it is not cached.
struct LinkOut {
  std::string path;    ///< relative to the source
  std::string target;  ///< as readlink gives it, made absolute
};

/// What a refresh dropped.
struct Refreshed {
  std::uint64_t folders = 0;  ///< whose listing was known
  std::uint64_t names = 0;  ///< that programs had looked at
};

struct ControlOptions {
  config::Config config;
  std::string version;
  base::TimePoint started;
  /// Per mount, an object of vfs's numbers (open files, requests); called for each stats answer, from several threads.
  std::function<std::string(std::size_t mount)> mount_numbers_json;
  /// Has a mount forget what it knows of names and attributes at `path` and below; called from several threads.
  std::function<Refreshed(std::size_t mount, const std::string& path)> refresh{};
  /// Asks for another process in this one's place; called from several threads. Errors: why there cannot be one.
  std::function<base::Result<void>()> restart{};
};

class Control {
 public:
  /// Listens on config.daemon.socket (mode 0660, socket_group); a dead socket file left there is replaced, a live one refused
  /// with a sentence. Whoever connects waits until serve().
  static base::Result<std::unique_ptr<Control>> listen(const ControlOptions& options, cache::Engine& engine,
                                                       base::Clock& clock);
  /// Stops the server and removes the socket, in bounded time also while an origin hangs.
  virtual ~Control() = default;
  /// Answers from here on. Call once.
  virtual void serve() = 0;
};

}  // namespace arenacache::control
