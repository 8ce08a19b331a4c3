// SPDX-License-Identifier: Apache-2.0
// Files as the works use them: opened, mapped, read in full; every failure says which file.
// Threads: values of their owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::bench {

base::Result<base::UniqueFd> open_file(const std::string& path, int flags);
base::Result<std::uint64_t> size_of(const base::UniqueFd& fd, const std::string& path);
/// Fills `out` from `offset`, or to the end of the file; returns the bytes read.
base::Result<std::size_t> read_at(const base::UniqueFd& fd, std::span<std::byte> out, std::uint64_t offset,
                                  const std::string& path);
/// The length of what is before the tensors' data in a .safetensors file: 8 bytes and the header. 0: no such file.
base::Result<std::uint64_t> header_bytes(const base::UniqueFd& fd, const std::string& path);

/// A private mapping of all of a file, for reading.
class Mapping {
 public:
  static base::Result<Mapping> of(const base::UniqueFd& fd, const std::string& path);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&&) = delete;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] base::Result<void> advise(int advice, const std::string& path) const;
  /// Bytes of the file that are in the page cache.
  [[nodiscard]] base::Result<std::uint64_t> resident_bytes(const std::string& path) const;

 private:
  explicit Mapping(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace arenacache::bench
