// SPDX-License-Identifier: Apache-2.0
// Disk reads: how fast a folder's file system reads, past the page cache, and what lies in the folder.
// Threads: any. Blocks for as long as the file system does: for a BoundedCall. Never: throws for what the disk says.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "machine_facts.h"

namespace arenacache::cli {

/// What a walk through a source met.
struct SourceSurvey {
  std::string largest_file{};  ///< absolute; empty: none of 1 MiB
  std::uint64_t largest_bytes = 0;
  std::vector<LinkFacts> links{};  ///< all symlinks; targets as they are written
};

/// Walks `folder`, at most four folders deep, until `patience` is over. At most 256 links.
[[nodiscard]] SourceSurvey survey_source(const std::string& folder, std::chrono::nanoseconds patience);

/// Reads in order and at random places of the file, at most `patience` altogether; nothing where it cannot be read.
[[nodiscard]] std::optional<ReadSpeed> measure_file(const std::string& path, std::uint64_t size_bytes,
                                                    std::chrono::nanoseconds patience);

/// The same with a nameless file of 32 MiB made in `folder`; nothing where none can be made.
[[nodiscard]] std::optional<ReadSpeed> measure_folder(const std::string& folder, std::chrono::nanoseconds patience);

}  // namespace arenacache::cli
