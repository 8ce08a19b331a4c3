// SPDX-License-Identifier: Apache-2.0
// Mirror: one FUSE mount that mirrors one source, served from a /dev/fuse descriptor that somebody else mounted.
// Promises: every operation is answered exactly once; an exception or an error of one request never ends the daemon.
// Threads: `threads` FUSE threads of its own; none of them ever calls the origin or waits for it.
// Locks: node and handle tables have one each; docs/architecture.md, "Lock order". Never: decides what is cached.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "arenacache/base/clock.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/cache/engine.h"
#include "arenacache/config/config.h"
#include "arenacache/handover/area.h"

namespace arenacache::vfs {

class BackingDevice;

/// Open descriptors that must outlive this process: of files that have no name any more.
class DescriptorKeeper {
 public:
  virtual ~DescriptorKeeper() = default;
  /// Returns once a successor will be given a copy of `descriptor` for `handle`, or false.
  virtual bool keep(std::uint64_t handle, int descriptor) = 0;
  virtual void drop(std::uint64_t handle) = 0;
};

/// What an earlier worker left of this mount (module handover).
struct Inheritance {
  std::shared_ptr<handover::Area> area;  ///< fresh for a new mount
  std::map<std::uint64_t, base::UniqueFd> kept;  ///< of handles, from the earlier workers' DescriptorKeeper
  bool after_crash = false;  ///< it did not end in good order
  bool gives_up = true;  ///< what was in flight at two crashes is answered EIO
};

struct MirrorOptions {
  cache::SourceId source{};
  config::MountConfig mount;
  config::FuseConfig fuse;
  std::shared_ptr<DescriptorKeeper> keeper;  ///< may be null: nothing is kept
  std::shared_ptr<BackingDevice> backing_device = nullptr;  ///< null: the kernel's; a test has its own
};

/// Numbers of one mount, for stats.
struct MirrorStats {
  std::uint64_t nodes = 0;
  std::uint64_t open_files = 0;
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;  ///< answers with an errno other than ENOENT and the like
  std::uint64_t listings = 0;  ///< folders whose listing is in memory
  std::uint64_t listing_bytes = 0;
  std::uint64_t origin_calls = 0;  ///< made for programs on the mount
};

/// What Mirror::refresh() dropped.
struct Refreshed {
  std::uint64_t folders = 0;  ///< listings
  std::uint64_t names = 0;  ///< files and folders that the kernel knew
};

class Mirror {
 public:
  /// Takes the mounted descriptor; returns once the kernel's INIT was answered, or with an error. Nothing is served before serve().
  /// Where `inheritance` is of a mount that was served already, it goes on with that.
  static base::Result<std::unique_ptr<Mirror>> start(base::UniqueFd fuse_fd, const MirrorOptions& options,
                                                     Inheritance inheritance, cache::Engine& engine,
                                                     base::Clock& clock);
  /// Ends the FUSE threads; requests that wait are answered with EINTR or ENOTCONN. Bounded time.
  virtual ~Mirror() = default;
  /// Answers what an earlier worker left, then takes requests. Call once; from here on they may be answered.
  virtual void serve() = 0;
  /// Takes no more requests and answers none of those that wait: all is left for the next worker. Nothing but the end may follow.
  virtual void leave() = 0;
  [[nodiscard]] virtual MirrorStats stats() const = 0;
  /// Drops what is known of `path` (relative to the source, "" is all) and below, the kernel's caches included. Bounded time.
  virtual Refreshed refresh(const std::string& path) = 0;
  /// Options that may change while running (metadata_ttl, patience, serve_stale).
  virtual void reload(const config::MountConfig& mount) = 0;
};

}  // namespace arenacache::vfs
