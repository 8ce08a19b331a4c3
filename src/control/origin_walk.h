// SPDX-License-Identifier: Apache-2.0
// OriginWalk: goes through a folder of an origin and what is below it, a folder at a time, under the origin's deadline.
// Promises: bounded in folders and depth; symlinks are met, not followed; a folder that may not be read or is gone is passed
// over; an origin that does not answer ends the walk.
// Threads: one at a time, one that has time. Never: touches a mount.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/origin/guarded_origin.h"
#include "origin_asker.h"

namespace arenacache::control {

struct WalkLimits {
  std::size_t max_folders = 50'000;
  std::size_t max_depth = 64;
};

struct WalkEntry {
  std::string path;  ///< relative to the source
  unsigned char type = 0;  ///< DT_*; DT_UNKNOWN only when it vanished
  std::optional<origin::Attributes> attributes;  ///< of regular files, when asked for
};

class OriginWalk {
 public:
  enum class Wants : unsigned char { types, attributes };
  /// False: the walk may end.
  using Visit = std::function<bool(const WalkEntry& entry)>;

  OriginWalk(OriginAsker& asker, origin::GuardedOrigin& guarded, std::chrono::nanoseconds timeout, WalkLimits limits)
      : asker_(asker), guarded_(guarded), timeout_(timeout), limits_(limits) {}

  /// Visits all below the folder `top`, not `top` itself. ErrorKind::timeout or cancelled as the origin said; success when
  /// it went to the end, to a bound (was_cut()), or as far as `visit` wished.
  base::Result<void> run(const std::string& top, Wants wants, const Visit& visit);
  /// A bound was met: there is more than was visited.
  [[nodiscard]] bool was_cut() const { return was_cut_; }

 private:
  base::Result<std::vector<WalkEntry>> read_folder(const std::string& folder, Wants wants);
  base::Result<void> add_attributes(const std::string& folder, Wants wants, std::vector<WalkEntry>& entries);

  OriginAsker& asker_;
  origin::GuardedOrigin& guarded_;
  std::chrono::nanoseconds timeout_;
  WalkLimits limits_;
  bool was_cut_ = false;
};

/// "folder/name", or "name" at the top.
[[nodiscard]] std::string join_path(const std::string& folder, const std::string& name);

}  // namespace arenacache::control
