// SPDX-License-Identifier: Apache-2.0
// Loading: a TOML file and the command line to one Config, all by the table of options (options.h).
// Promises: flags win over the file, for every mount. Each error is ErrorKind::invalid with one sentence that names the place
// and the key: "/etc/arenacache/config.toml:12: cache.min_sise is not an option; did you mean cache.min_size?".
// Reads the named file and the environment ("${VAR}" in any string of the file), and nothing else. Threads: any.
#pragma once

#include <string>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"

namespace arenacache::config {

/// What a file says, over the defaults. Whether it makes sense is validate()'s to say.
[[nodiscard]] base::Result<Config> load_file(const std::string& path);

struct CommandLine {
  Config config;  ///< the file's (--config), the flags over it; not loaded when help or version is asked for
  bool check = false;  ///< --check: validate and end
  bool foreground = false;  ///< --foreground: stay attached
  bool help = false;
  bool version = false;
};

/// Takes main()'s arguments; the first is the program's name. Relative paths among the flags become absolute.
[[nodiscard]] base::Result<CommandLine> parse_command_line(int argc, const char* const* argv);

/// What `arenacached --help` prints.
[[nodiscard]] std::string usage();

}  // namespace arenacache::config
