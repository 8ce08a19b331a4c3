// SPDX-License-Identifier: Apache-2.0
// SourceFacts: what the kernel says of the file system that a source lies on. Asked once, by who opened the source's folder, and kept
// beside that descriptor: asking again may hang, and a worker that follows another one must not ask.
// Threads: values.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"
#include "arenacache/origin/fidelity.h"

namespace arenacache::origin {

struct SourceFacts {
  std::int64_t magic = 0;  ///< statfs' f_type
  std::string type;  ///< as mountinfo names it: "nfs4", "fuse.sshfs"; empty: not found there
  std::uint64_t id = 0;  ///< of the file system, the same after a restart; 0: it cannot be told apart from others
  dev_t device = 0;  ///< as stat names it
  friend bool operator==(const SourceFacts&, const SourceFacts&) = default;
};

/// Asks. `fd` is of the folder or of any file in it (O_PATH will do). Blocks for as long as the source likes.
[[nodiscard]] base::Result<SourceFacts> ask_source(int fd);

/// What such a source can be trusted for. Asks nobody.
[[nodiscard]] Fidelity fidelity_from(const SourceFacts& facts, config::FidelityChoice choice);

/// The facts as one line without a NUL, and back; ErrorKind::invalid for anything else.
[[nodiscard]] std::string to_text(const SourceFacts& facts);
[[nodiscard]] base::Result<SourceFacts> parse_source_facts(std::string_view text);

}  // namespace arenacache::origin
