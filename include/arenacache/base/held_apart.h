// SPDX-License-Identifier: Apache-2.0
// HeldApart: a descriptor that is closed at the instant its process is killed, whatever else hangs.
// What a process has open stays open until its last thread is gone, and a thread that waits in the kernel for a file system which does
// not answer cannot be killed. So this descriptor lies in the file table of a thread of its own, which sleeps.
// Promises: the descriptor is open from the constructor to the destructor, or to the process's end. Where a thread may have no table
// of its own (a sandbox), it lies in the process's. Threads: one owner. Locks: none.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "arenacache/base/unique_fd.h"

namespace arenacache::base {

class HeldApart {
 public:
  /// Holds nothing.
  HeldApart() = default;
  /// Takes `fd` over. Its number means nothing any more.
  explicit HeldApart(UniqueFd fd);
  HeldApart(HeldApart&&) noexcept = default;
  HeldApart& operator=(HeldApart&& other) noexcept;
  HeldApart(const HeldApart&) = delete;
  HeldApart& operator=(const HeldApart&) = delete;
  ~HeldApart();

  [[nodiscard]] bool is_holding() const { return thread_.joinable() || here_.is_open(); }

 private:
  enum class Stage : std::uint8_t { begun, apart, refused, over };
  static void hold(std::atomic<Stage>& stage, int fd);
  void let_go();

  std::shared_ptr<std::atomic<Stage>> stage_;
  std::thread thread_;
  UniqueFd here_;  ///< where the thread could not have a table of its own
};

}  // namespace arenacache::base
