// SPDX-License-Identifier: Apache-2.0
// What a running program takes of the machine, by /proc. Threads: any. Never: asks the program itself.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ostream>
#include <string>

namespace arenacache::test {

/// A field of /proc/PID/status in MiB ("VmRSS"). Fails the test when there is none.
std::uint64_t memory_of(pid_t pid, const std::string& field);

/// What a program holds at one moment.
struct Resources {
  std::uint64_t memory_mib = 0;  ///< resident, files that it maps included
  std::uint64_t descriptors = 0;
  std::uint64_t threads = 0;

  /// Whether it is no more than `base` and what `more` allows; sanitizers' own memory is not ours to bound.
  [[nodiscard]] bool is_within(const Resources& base, const Resources& more) const;
};

Resources resources_of(pid_t pid);
std::ostream& operator<<(std::ostream& out, const Resources& resources);

}  // namespace arenacache::test
