// SPDX-License-Identifier: Apache-2.0
// Services: everything the worker does once it has its descriptors: origins, store, engine, mirrors, socket.
// Promises: start() returns once every mount answers; stop() ends in good order what start() began.
// Threads: called from the worker's main thread only; starts threads of its own. Locks: none.
#pragma once

#include <memory>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/config/config.h"

namespace arenacache::daemon {

struct MountInput {
  config::MountConfig mount;
  base::UniqueFd fuse;    ///< the mounted connection
  base::UniqueFd source;  ///< the source folder, opened before it was mounted over
};

class Services {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<Services>> start(const config::Config& config,
                                                                     std::vector<MountInput> mounts);
  virtual ~Services() = default;
  /// Takes what can change while running from `config`; an error says what could not, and changes nothing.
  [[nodiscard]] virtual base::Result<void> reload(const config::Config& config) = 0;
  /// Stops serving and makes durable what is to outlive the process. Called once, in bounded time.
  virtual void stop() = 0;
};

}  // namespace arenacache::daemon
