// SPDX-License-Identifier: Apache-2.0
// Hang: a source that answers nothing, as a NAS whose cable was pulled. The source is a mount of another daemon, whose worker is
// stopped. Promises: all is well again when it ends. Threads: one owner. Never: ends the worker.
#pragma once

#include <sys/types.h>

#include "mount/test_mount.h"

namespace arenacache::test {

class Hang {
 public:
  /// Returns when nothing is answered any more.
  explicit Hang(const TestMount& source);
  ~Hang() { heal(); }
  Hang(const Hang&) = delete;
  Hang& operator=(const Hang&) = delete;
  void heal() const;

 private:
  [[nodiscard]] bool is_stopped() const;

  const pid_t worker_;
};

}  // namespace arenacache::test
