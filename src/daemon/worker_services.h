// SPDX-License-Identifier: Apache-2.0
// Services: everything the worker does once it has its descriptors: origins, store, engine, mirrors, socket.
// Promises: start() returns once every mount answers; stop() ends in good order what start() began.
// Threads: called from the worker's main thread only; starts threads of its own. Locks: none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/config/config.h"
#include "keeper_line.h"

namespace arenacache::daemon {

struct MountInput {
  config::MountConfig mount;
  base::UniqueFd fuse;    ///< the mounted connection
  base::UniqueFd source;  ///< the source folder, opened before it was mounted over
  std::string facts;      ///< what the source said of itself then (origin::SourceFacts)
  base::UniqueFd area;    ///< handover::Area
  std::map<std::uint64_t, base::UniqueFd> kept;  ///< descriptors that earlier workers had the keeper keep, by handle
  bool after_crash = false;  ///< the worker before did not end in good order
  bool gives_up = true;  ///< what was in flight at two crashes is answered with an error
};

/// Ways back to the keeper.
struct WorkerTies {
  std::shared_ptr<KeeperLine> keeper;
  /// Another worker is to take this one's place. An error: what was configured cannot be served. From any thread.
  std::function<base::Result<void>()> restart;
  base::UniqueFd lifeline;  ///< to be held apart for as long as the worker lives
  bool is_alone = true;  ///< changes of sources need not wait for let_changes_go()
};

class Services {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<Services>> start(const config::Config& config,
                                                                     std::vector<MountInput> mounts, WorkerTies ties);
  virtual ~Services() = default;
  /// Answers what can be asked of the daemon, which waits until here. Called once.
  virtual void answer_questions() = 0;
  /// No earlier worker can change a source any more.
  virtual void let_changes_go() = 0;
  /// Takes what can change while running from `config`; an error says what could not, and changes nothing.
  [[nodiscard]] virtual base::Result<void> reload(const config::Config& config) = 0;
  /// Stops serving and makes durable what is to outlive the process. Called once, in bounded time. False: a thread is still inside a
  /// call of its origin, and will use what the services own: the process is to end right after, without destroying them.
  [[nodiscard]] virtual bool stop() = 0;
  /// Stops taking requests and makes durable what is worth it; everything else is left to the next worker. In bounded time;
  /// the process ends right after.
  virtual void leave() = 0;
};

}  // namespace arenacache::daemon
