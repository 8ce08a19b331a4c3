// SPDX-License-Identifier: Apache-2.0
// Disturber: what happens to a daemon while programs use its mount: evictions, modes, refreshes, prefetches, scrubs, restarts,
// kills, and a source that does not answer. Promises: after each deed the daemon answers and its source is up; each deed is counted.
// Threads: one owner. Never: waits for a time when there is something to wait for.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mount/busy_programs.h"
#include "soak/ground.h"

namespace arenacache::test {

class Disturber {
 public:
  struct Options {
    std::vector<std::string> files{};  ///< as the mount has them
    const TestMount* nas = nullptr;  ///< the mount that is the source; none: it cannot be cut off
    bool is_long = false;  ///< some outages last until calls are given up
    std::uint64_t seed = 0;
  };
  Disturber(Ground& ground, Options options)
      : ground_(ground),
        files_(std::move(options.files)),
        nas_(options.nas),
        is_long_(options.is_long),
        random_(options.seed) {}

  /// Lets the programs do something, then disturbs them once.
  void disturb(const BusyPrograms& programs, bool may_kill);

 private:
  void wait_for_rounds(const BusyPrograms& programs);
  /// A change at the socket that needs no certain answer; `params`: see docs/cli.md.
  void ask(const char* method, const std::string& params);
  void kill();
  void restart();
  void cut(bool may_kill);
  void expect_within_capacity() const;

  Ground& ground_;
  const std::vector<std::string> files_;
  const TestMount* const nas_;
  const bool is_long_;
  Random random_;
};

}  // namespace arenacache::test
