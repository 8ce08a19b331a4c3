// SPDX-License-Identifier: Apache-2.0
// FileFinder: from what a person named (a file, a folder, a pattern, a symlink) to the files of the origin.
// Promises: looks at origins under their deadline, never at a mount; a symlink that stays in its source is followed to the
// file it means (Hugging Face's snapshots are such links); each file is found once.
// Threads: any that have time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/cache/engine.h"
#include "origin_asker.h"
#include "path_resolver.h"

namespace arenacache::control {

/// The `mount`-th of the configuration, as the engine calls it.
[[nodiscard]] inline cache::SourceId source_of(std::size_t mount) {
  return cache::SourceId{static_cast<std::uint32_t>(mount)};
}

class FileFinder {
 public:
  /// False: enough was found.
  using Visit = std::function<bool(const cache::FileRef& file)>;

  FileFinder(cache::Engine& engine, const PathResolver& resolver, OriginAsker& asker)
      : engine_(engine), resolver_(resolver), asker_(asker) {}

  /// The places where `given` exists at the origin: by its very name (pattern emptied, links followed),
  /// else as a pattern that may match.
  /// ErrorKind::invalid with a sentence when it is nowhere.
  [[nodiscard]] base::Result<std::vector<Place>> find_places(std::string_view given);
  /// Visits the regular files that `place` means. ErrorKind::timeout when the origin does not answer.
  base::Result<void> find_files(const Place& place, const Visit& visit);

 private:
  class Search;

  cache::Engine& engine_;
  const PathResolver& resolver_;
  OriginAsker& asker_;
};

}  // namespace arenacache::control
