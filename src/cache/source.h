// SPDX-License-Identifier: Apache-2.0
// Source: one [[mount]] as the engine sees it: its origin, its options and what was asked of the origin.
// Threads: any. Locks: one for the options, a leaf.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/metrics.h"
#include "arenacache/base/mutex.h"
#include "arenacache/cache/types.h"
#include "arenacache/config/config.h"
#include "arenacache/origin/guarded_origin.h"
#include "arenacache/policy/fill_parallelism.h"
#include "moving_names.h"

namespace arenacache::cache {

class Source {
 public:
  Source(SourceId source_id, config::MountConfig mount, std::shared_ptr<origin::GuardedOrigin> guarded_origin);

  const SourceId id;
  const std::string name;
  const config::MountConfig mount;  ///< as first given: name, source, mountpoint; the rest may be newer in options()
  const std::shared_ptr<origin::GuardedOrigin> guarded;

  [[nodiscard]] std::shared_ptr<const config::MountConfig> options() const;
  void set_options(config::MountConfig options);

  /// This mount's mode: from the config, then whatever the owner switched to.
  std::atomic<config::CacheMode> mode;

  MovingNames moving_names;

  base::Counter read_bytes, read_ops, errors, timeouts;
  base::Counter demand_in_flight;  ///< reads of this origin that somebody waits for
  /// When somebody last began to wait for one.
  std::atomic<base::TimePoint> last_demand{base::TimePoint::min()};

  /// Is its disk as fast as the store's, by the owner's word or as found?
  [[nodiscard]] bool is_fast() const;
  void set_found_fast() { found_fast_.store(true); }
  /// May the file at `path` be kept at all (include, exclude, origin.kind)?
  [[nodiscard]] bool is_cacheable(std::string_view path) const;
  /// Is `pid` one of cache.ignore_commands? Reads /proc.
  [[nodiscard]] bool is_ignored_command(pid_t pid) const;
  /// How long a version must have been seen before it is committed.
  [[nodiscard]] base::Duration settle_time() const;
  /// How a read of an open file asks the origin: origin.read_timeout, and over a line through lost connections.
  [[nodiscard]] origin::LookTerms read_terms() const;
  /// fill.parallel, or what measuring has found so far.
  [[nodiscard]] unsigned fill_parallel() const;
  void fill_came_back(std::uint64_t bytes, base::TimePoint now);
  [[nodiscard]] PassthroughState passthrough() const;
  void set_passthrough(PassthroughState state);

 private:
  std::atomic<bool> found_fast_{false};  ///< origin.kind = auto
  mutable base::Mutex mutex_;
  std::shared_ptr<const config::MountConfig> options_ AC_GUARDED_BY(mutex_);
  PassthroughState passthrough_ AC_GUARDED_BY(mutex_);
  policy::FillParallelism parallelism_ AC_GUARDED_BY(mutex_);
};

}  // namespace arenacache::cache
