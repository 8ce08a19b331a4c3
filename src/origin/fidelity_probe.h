// SPDX-License-Identifier: Apache-2.0
// What a kind of file system can be trusted for, and where the kernel tells which one is mounted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "arenacache/origin/fidelity.h"

namespace arenacache::origin {

/// What a file system can be trusted for: `magic` is statfs' f_type, `name` its name in mountinfo ("" if unknown). The id is
/// left 0.
[[nodiscard]] Fidelity fidelity_of(std::int64_t magic, std::string_view name);

/// A line of mountinfo(5), as far as it is needed.
struct MountLine {
  std::string type;  ///< "nfs4", "fuse.sshfs"
  std::string source;  ///< "server:/export"
};

/// The last line of `mountinfo` (a whole file) for the device `major:minor`; empty fields if there is none.
[[nodiscard]] MountLine find_mount(std::string_view mountinfo, std::string_view device);

}  // namespace arenacache::origin
