// SPDX-License-Identifier: Apache-2.0
// The command line to settings, by the table of options. Threads: any.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "setting.h"

namespace arenacache::config {

struct Flags {
  std::vector<Setting> settings;  ///< in the order given: the last of a kind wins
  std::vector<Setting> tier;      ///< --tier-capacity and the like: one packed tier, each once
  std::vector<Setting> mount;     ///< --source, --mount, --name: one mount, each once
  std::string file;               ///< --config, absolute; empty: none
  bool check = false;
  bool foreground = false;
  bool help = false;
  bool version = false;
};

/// `arguments` without the program's name.
[[nodiscard]] base::Result<Flags> read_flags(std::span<const char* const> arguments);

}  // namespace arenacache::config
