// SPDX-License-Identifier: Apache-2.0
// Layout: what lies where under the store's path, its format version, and the lock that keeps a second daemon out.
// `<store>/VERSION` ("1\n"), `lock`, `index.db`, `raw/`. A store of a newer version is refused with a sentence, not reset;
// a folder that holds something else and no VERSION is refused too, so that a typo never mixes a store into somebody's files.
#pragma once

#include <string>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::store {

/// An opened, locked store folder. The lock (flock) ends with the object or the process.
struct StoreFolder {
  std::string path;
  base::UniqueFd lock;

  [[nodiscard]] std::string version_path() const { return path + "/VERSION"; }
  [[nodiscard]] std::string index_path() const { return path + "/index.db"; }
  [[nodiscard]] std::string raw_path() const { return path + "/raw"; }
};

/// Makes (mode 0700) or opens the folder, checks VERSION, takes the lock. ErrorKind::invalid with a sentence for a human when
/// another daemon has it, it is of a newer version, or it is no store.
base::Result<StoreFolder> open_store_folder(base::FileIo& io, const std::string& path);

}  // namespace arenacache::store
