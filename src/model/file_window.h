// SPDX-License-Identifier: Apache-2.0
// FileWindow: looks at pieces of a file that is too long to be read, one at a time. Who goes on in order gets longer reads, who
// jumps short ones.
// Promises: never asks for what lies outside the file; reads at most kMostRead in all, in at most kMostReads reads.
// Owner: one search through one file. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/model/file_tensors.h"

namespace arenacache::model {

class FileWindow {
 public:
  static constexpr std::size_t kLongestPiece = 256 * base::kKiB;
  static constexpr std::uint64_t kMostRead = 256 * base::kMiB;
  static constexpr std::size_t kMostReads = 50'000;

  FileWindow(const ReadAt& read, std::uint64_t file_size) : read_(read), file_size_(file_size) {}

  [[nodiscard]] std::uint64_t file_size() const { return file_size_; }
  /// `length` bytes at `offset`, good until the next call; empty where they are not in the file, are more than kLongestPiece,
  /// cannot be read, or enough was read.
  std::span<const std::byte> at(std::uint64_t offset, std::uint64_t length);
  /// As at(), cut to what the file has there.
  std::span<const std::byte> at_most(std::uint64_t offset, std::uint64_t length);
  /// Why something could not be read.
  [[nodiscard]] const std::optional<base::Error>& error() const { return error_; }

 private:
  bool read(std::uint64_t offset, std::uint64_t length);

  const ReadAt& read_;
  std::uint64_t file_size_;
  std::vector<std::byte> bytes_;  ///< of the file, from begin_
  std::uint64_t begin_ = 0;
  std::uint64_t next_length_ = 0;
  std::uint64_t read_bytes_ = 0;
  std::size_t reads_ = 0;
  std::optional<base::Error> error_;
};

}  // namespace arenacache::model
