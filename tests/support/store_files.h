// SPDX-License-Identifier: Apache-2.0
// What a test does to the files of a store behind the engine's back.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"

namespace arenacache::test {

/// Files below `<store>/raw`, by path: objects' data, or, with `sidecars`, their sidecars.
inline std::vector<std::string> raw_files(const std::string& store, bool sidecars = false) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(store + "/raw")) {
    const bool is_sidecar = entry.path().extension() == ".map";
    if (entry.is_regular_file() && is_sidecar == sidecars) paths.push_back(entry.path().string());
  }
  std::ranges::sort(paths);
  return paths;
}

/// Files below `<tier>/objects`, the manifests of packed objects.
inline std::vector<std::string> packed_manifests(const std::string& tier) {
  std::vector<std::string> paths;
  if (!std::filesystem::exists(tier + "/objects")) return paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tier + "/objects")) {
    if (entry.is_regular_file()) paths.push_back(entry.path().string());
  }
  return paths;
}

/// Turns one bit over, for whoever reads the file by any way.
inline void flip_unsynced_bit(const std::string& path, std::uint64_t bit) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  unsigned char byte = 0;
  const auto offset = static_cast<off_t>(bit / 8);
  ASSERT_EQ(::pread(fd.get(), &byte, 1, offset), 1) << path;
  byte = static_cast<unsigned char>(byte ^ (1U << (bit % 8)));
  ASSERT_EQ(::pwrite(fd.get(), &byte, 1, offset), 1) << path;
}

/// The same, on the disk.
inline void flip_bit(const std::string& path, std::uint64_t bit) {
  ASSERT_NO_FATAL_FAILURE(flip_unsynced_bit(path, bit));
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::fdatasync(fd.get()), 0) << path;
}

}  // namespace arenacache::test
