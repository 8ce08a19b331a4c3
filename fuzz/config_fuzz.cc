// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as the configuration file. A config that loads must be the same when loaded again, and its globs must
// come to an end.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"
#include "arenacache/config/glob.h"
#include "arenacache/config/load.h"
#include "arenacache/config/reload.h"
#include "arenacache/config/validate.h"

namespace {

using namespace arenacache;

/// A file in memory that holds one input after the other.
class InputFile {
 public:
  InputFile() : descriptor_(::memfd_create("config.toml", MFD_CLOEXEC)) { AC_CHECK(descriptor_ >= 0); }
  void hold(const std::uint8_t* data, std::size_t size) const {
    AC_CHECK(::ftruncate(descriptor_, 0) == 0);
    AC_CHECK(::pwrite(descriptor_, data, size, 0) == static_cast<ssize_t>(size));
  }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  const int descriptor_;
};

void match_all(const config::CacheConfig& cache) {
  for (const auto* globs : {&cache.include, &cache.exclude}) {
    for (const std::string& glob : *globs) {
      // Its own letters match a pattern best.
      static_cast<void>(config::glob_match(glob, glob));
      static_cast<void>(config::glob_match(glob, "aaaaaaaa/aaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaaaaaaaaaab"));
    }
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const InputFile file;
  file.hold(data, size);
  auto loaded = config::load_file(file.path());
  if (!loaded) {
    AC_CHECK(loaded.error().kind == base::ErrorKind::invalid);
    AC_CHECK(!loaded.error().what.empty());
    return 0;
  }
  if (const auto valid = config::validate(*loaded); !valid) {
    AC_CHECK(valid.error().kind == base::ErrorKind::invalid);
  } else {
    auto again = config::load_file(file.path());
    AC_CHECK(again.has_value());
    AC_CHECK(config::apply_reloadable(*loaded, *again).empty());
  }
  match_all(loaded->cache);
  for (const config::MountConfig& mount : loaded->mounts) match_all(mount.cache);
  return 0;
}
