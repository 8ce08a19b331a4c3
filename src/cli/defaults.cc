// SPDX-License-Identifier: Apache-2.0
#include "defaults.h"

#include <cstdlib>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"
#include "arenacache/config/load.h"

namespace arenacache::cli {

namespace {

config::Config known_config() {
  base::Result<config::Config> loaded = config::load_file(kConfigFile);
  return loaded ? std::move(*loaded) : config::Config{};
}

bool needs_store(const Arguments& arguments) {
  return arguments.command == Command::rebuild && arguments.store.empty();
}

}  // namespace

void fill_in_defaults(Arguments& arguments) {
  if (arguments.socket.empty()) {
    const char* socket =
        std::getenv("ARENACACHE_SOCKET");  // NOLINT(concurrency-mt-unsafe): nobody sets the environment
    if (socket != nullptr) arguments.socket = socket;
  }
  if (!arguments.socket.empty() && !needs_store(arguments)) return;
  const config::Config config = known_config();
  if (arguments.socket.empty()) arguments.socket = config.daemon.socket;
  if (arguments.store.empty()) arguments.store = config.store.path;
}

}  // namespace arenacache::cli
