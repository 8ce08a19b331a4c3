// SPDX-License-Identifier: Apache-2.0
#include "durable_directory.h"

#include <cstddef>
#include <string>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"

namespace arenacache::store {

base::Result<void> make_durable_directory(base::FileIo& io, const std::string& path) {
  const auto existing = io.stat(path);
  if (existing && existing->is_directory) return {};
  AC_TRY(io.make_directory(path));
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return io.sync_directory(".");
  return io.sync_directory(slash == 0 ? "/" : path.substr(0, slash));
}

}  // namespace arenacache::store
