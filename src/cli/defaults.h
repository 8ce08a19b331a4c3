// SPDX-License-Identifier: Apache-2.0
// Defaults: what the command line left open, from the environment and the daemon's config.
// Promises: a config that is missing, unreadable or wrong is no error here: asking must work for those who may not read it.
#pragma once

#include "arguments.h"

namespace arenacache::cli {

/// Where an installed daemon's configuration lies.
inline constexpr const char* kConfigFile = "/etc/arenacache/config.toml";

/// The socket: $ARENACACHE_SOCKET, else the config's, else the built-in one. The store: the config's.
void fill_in_defaults(Arguments& arguments);

}  // namespace arenacache::cli
