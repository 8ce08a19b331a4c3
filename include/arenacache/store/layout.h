// SPDX-License-Identifier: Apache-2.0
// Layout: what lies where under the store's path, its format version, and the lock that keeps a second daemon out.
// `<store>/VERSION` ("1\n"), `lock`, `index.db`, `raw/`, and by default `packed/`, which is a folder of its own kind. A store of a newer version is refused with a sentence, not reset;
// a folder that holds something else and no VERSION is refused too, so that a typo never mixes a store into somebody's files.
#pragma once

#include <cstdint>
#include <string>

#include "arenacache/base/file_io.h"
#include "arenacache/base/held_apart.h"
#include "arenacache/base/result.h"

namespace arenacache::store {

/// An opened, locked store folder. The lock (flock) ends with the object or the process, at once when that is killed.
struct StoreFolder {
  std::string path;
  base::HeldApart lock;
  std::uint64_t identity = 0;  ///< of a packed tier: a number that no other has, the same for as long as it exists

  [[nodiscard]] std::string version_path() const { return path + "/VERSION"; }
  [[nodiscard]] std::string index_path() const { return path + "/index.db"; }
  [[nodiscard]] std::string raw_path() const { return path + "/raw"; }
};

/// Makes (mode 0700) or opens the folder, checks VERSION, takes the lock. ErrorKind::invalid with a sentence for a human when
/// another daemon has it, it is of a newer version, or it is no store.
base::Result<StoreFolder> open_store_folder(base::FileIo& io, const std::string& path);

/// The same for the folder of a packed tier, whose VERSION is "packed 1\n", and which has its identity in a file of that name.
/// Neither kind of folder is taken for the other. @param expected 0, or the identity of the tier that is known to lie there: then
/// nothing is made where there is none (its disk is not mounted), or another. ErrorKind::store, ENODEV, with a sentence. A tier that
/// has lost its identity gets a new one.
base::Result<StoreFolder> open_packed_folder(base::FileIo& io, const std::string& path, std::uint64_t expected = 0);

}  // namespace arenacache::store
