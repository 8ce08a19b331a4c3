// SPDX-License-Identifier: Apache-2.0
// ProgressView: shows how far something is: on a terminal one line that changes, elsewhere a line for each tenth.
// Threads: one. Never: asks, waits.
#pragma once

#include "arenacache/base/clock.h"
#include "commands.h"
#include "progress.h"

namespace arenacache::cli {

class ProgressView {
 public:
  explicit ProgressView(Console& console) : console_(console) {}

  void show(const Progress& progress);
  /// Clears the line that changed.
  void end();

 private:
  Console& console_;
  base::SystemClock clock_;
  RateMeter rate_;
  int last_tenth_ = -1;
};

}  // namespace arenacache::cli
