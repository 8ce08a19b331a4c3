// SPDX-License-Identifier: Apache-2.0
// WrittenFiles: which files are open for writing through the mount. A name that moves takes its writers along.
// Owner: Catalog. Threads: none of its own; guarded by the Catalog's mutex.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "arenacache/cache/types.h"
#include "object.h"

namespace arenacache::cache {

/// One open for writing.
struct WrittenFile {
  FileRef file;
  ObjectKey key;
  std::optional<origin::Version> written;  ///< what it was when the kernel had let go of it; the last one fills that
};

class WrittenFiles {
 public:
  void add(const std::shared_ptr<WrittenFile>& written) { by_key_.emplace(written->key, written); }
  void remove(const std::shared_ptr<WrittenFile>& written) {
    const auto [begin, end] = by_key_.equal_range(written->key);
    const auto it = std::find_if(begin, end, [&](const auto& entry) { return entry.second == written; });
    if (it != end) by_key_.erase(it);
  }
  /// What is to be filled once the last writer of `key` is gone; none: nothing is.
  void note_written(const ObjectKey& key, const std::optional<origin::Version>& version) {
    const auto [begin, end] = by_key_.equal_range(key);
    std::for_each(begin, end, [&](const auto& entry) { entry.second->written = version; });
  }
  [[nodiscard]] std::size_t count(const ObjectKey& key) const { return by_key_.count(key); }
  [[nodiscard]] bool contains(const ObjectKey& key) const { return by_key_.contains(key); }
  /// Gives each file of `source` the path that `new_path` makes of its own.
  template <class NewPath>
  void rename(SourceId source, const NewPath& new_path) {
    std::multimap<ObjectKey, std::shared_ptr<WrittenFile>> renamed;
    for (auto& [key, written] : by_key_) {
      if (key.source == source) {
        written->file.path = new_path(written->file.path);
        if (key.inode == 0) written->key.path = written->file.path;
      }
      renamed.emplace(written->key, std::move(written));
    }
    by_key_ = std::move(renamed);
  }

 private:
  std::multimap<ObjectKey, std::shared_ptr<WrittenFile>> by_key_;
};

}  // namespace arenacache::cache
