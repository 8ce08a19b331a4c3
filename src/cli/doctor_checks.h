// SPDX-License-Identifier: Apache-2.0
// The checks of `doctor`: facts in, one finding a line out. Pure.
// Promises: every check answers whatever is missing from the facts; what is not ok says what to do.
// Threads: any. Never: looks at the machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "machine_facts.h"
#include "style.h"

namespace arenacache::cli {

/// ok; warn: it works, and something is lost (speed, mostly); fail: something does not work.
enum class Verdict : std::uint8_t { ok, warn, fail };

struct Finding {
  std::string check{};  ///< "kernel": one word, the same in every version
  Verdict verdict = Verdict::ok;
  std::string what{};  ///< what was found, one line
  std::vector<std::string> remedy{};  ///< what to do, line by line; empty when ok
};

/// "OK", "WARN", "FAIL".
[[nodiscard]] std::string_view word_of(Verdict verdict);

/// Kernel, libfuse, capabilities, passthrough, WSL, limits.
[[nodiscard]] std::vector<Finding> check_system(const MachineFacts& facts);
/// Sources and store: answering, health, fidelity, speed, file system, space, index.
[[nodiscard]] std::vector<Finding> check_disks(const MachineFacts& facts);
/// Daemon, config, mounts, symlinks that lead out, what programs hold, namespaces.
[[nodiscard]] std::vector<Finding> check_mounts(const MachineFacts& facts);

/// All of them, in the order they are told.
[[nodiscard]] std::vector<Finding> check_all(const MachineFacts& facts);

/// A line each for people, and under it what to do.
[[nodiscard]] std::string doctor_view(const std::vector<Finding>& findings, Style style);

}  // namespace arenacache::cli
