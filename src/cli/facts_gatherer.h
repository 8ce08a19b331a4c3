// SPDX-License-Identifier: Apache-2.0
// FactsGatherer: looks at the machine for `doctor`.
// Promises: never hangs: whatever may block (a mount, a source, a disk) is asked in a child process under a deadline; what
// cannot be found out is left empty. Threads: one; forks. Never: changes anything, but for a nameless file of 32 MiB in the store, for as
// long as it measures.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/config/config.h"
#include "machine_facts.h"
#include "mount_rows.h"

namespace arenacache::cli {

struct GatherOptions {
  std::string socket{};
  std::string config_file{};  ///< --config; empty: the running daemon's, else the installed one
  std::chrono::nanoseconds patience = std::chrono::seconds(2);  ///< for anything to answer at all
};

[[nodiscard]] MachineFacts gather_facts(const GatherOptions& options);

/// What the parts below work with.
struct Surroundings {
  std::int64_t daemon_pid = 0;  ///< the process that listens at the socket; 0: none, or not to be seen
  config::Config config{};
  std::vector<MountRow> rows{};  ///< of our own namespace
};

/// Kernel, libfuse, capabilities, limits.
void gather_system(const Surroundings& around, MachineFacts& facts);
/// `facts.sources` (their names and paths are there already) and `facts.store`.
void gather_disks(const Surroundings& around, MachineFacts& facts);
/// Mounts, namespaces, holders.
void gather_mounts(const Surroundings& around, MachineFacts& facts);

}  // namespace arenacache::cli
