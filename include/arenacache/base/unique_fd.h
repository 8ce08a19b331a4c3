// SPDX-License-Identifier: Apache-2.0
// UniqueFd: owns one file descriptor; closes it quietly as a last resort. Where a close can fail, call close() and look.
#pragma once

#include <utility>

#include "arenacache/base/result.h"

namespace arenacache::base {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd();

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset();
  /// Closes and tells what close(2) said (ErrorKind::store); the fd is gone either way.
  Result<void> close();

 private:
  int fd_ = -1;
};

}  // namespace arenacache::base
