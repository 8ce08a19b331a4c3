// SPDX-License-Identifier: Apache-2.0
// Arguments: the command line, understood. The only place that knows the command line's syntax.
// Threads: values. Never: touches a file or the daemon.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace arenacache::cli {

enum class Command : std::uint8_t {
  stats,
  ls,
  prefetch,
  pack,
  unpack,
  tier_move,
  estimate,
  pin,
  unpin,
  evict,
  refresh,
  mode,
  scrub,
  restart,
  rebuild,
  doctor,
  version
};

/// The exit codes; scripts rely on them (docs/cli.md).
inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

struct Arguments {
  Command command = Command::stats;
  std::string socket;              ///< empty: not given
  bool wants_json = false;
  std::vector<std::string>
      paths;  ///< ls: at most one; refresh: any number; else, where a command has them, at least one
  bool waits = false;  ///< --wait of prefetch, pack, unpack, tier move, scrub
  bool to_ram = false;  ///< prefetch --ram
  std::string tier;  ///< tier move: where to
  std::string mode;  ///< mode: the one to set; empty: tell the present one
  std::string store;  ///< rebuild --store; empty: the config's
  std::string patience = "2s";  ///< doctor --patience: a duration
  std::string config_file;  ///< doctor --config; empty: the running daemon's, else the installed one
};

/// What a command line asks for; or, when there is nothing to run (help, a mistake), how to exit.
struct ParsedArguments {
  std::optional<Arguments> arguments;
  int exit_code = kExitSuccess;
};

/// Help goes to `out`, mistakes to `err`.
[[nodiscard]] ParsedArguments parse_arguments(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace arenacache::cli
