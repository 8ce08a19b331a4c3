// SPDX-License-Identifier: Apache-2.0
// LocalOrigin: a directory of this machine as an origin: a disk, a NAS mount, another FUSE file system.
// Promises: every path is walked with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS) from the descriptor that was opened
// before the mount covered it, then one name by an *at call: nothing outside the source is ever reached, whatever is renamed
// or symlinked under us. Paths longer than PATH_MAX are walked in parts.
// Threads: any. Changes of credentials (fsuid, fsgid, groups) and umask concern the calling thread alone and are put back.
#pragma once

#include <memory>

#include "arenacache/base/unique_fd.h"
#include "arenacache/config/config.h"
#include "arenacache/origin/origin.h"

namespace arenacache::origin {

class LocalOrigin final : public Origin {
 public:
  /// Takes the source's directory descriptor. Blocks (statfs).
  static base::Result<std::shared_ptr<LocalOrigin>> create(base::UniqueFd directory, FidelityChoice choice);
  // ... the overrides of Origin
};

/// The version in `attributes`.
[[nodiscard]] Version version_of(const Attributes& attributes);

}  // namespace arenacache::origin
