// SPDX-License-Identifier: Apache-2.0
// FakeDaemon: a server with canned answers, and arenacache run against it in this process.
// Promises: remembers each request. Threads: requests() after the run.
#pragma once

#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/rpc/server.h"
#include "support/temp_dir.h"

namespace arenacache::test {

struct CliRun {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class FakeDaemon {
 public:
  struct Request {
    std::string method;
    nlohmann::json params;
  };

  FakeDaemon();

  /// The answers to `method`, one a call; the last one is given again and again.
  void answer(const std::string& method, std::vector<base::Result<nlohmann::json>> answers);
  /// What `mounts` tells.
  void set_mount(const std::string& source, const std::string& mountpoint);
  /// Runs `arenacache ARGUMENTS...`; the daemon listens by then.
  CliRun run(std::vector<std::string> arguments, bool is_terminal = false);
  /// The requests so far, without `mounts`.
  [[nodiscard]] std::vector<Request> requests();
  [[nodiscard]] const TempDir& dir() const { return dir_; }

 private:
  TempDir dir_;
  base::SystemClock clock_;
  rpc::MethodTable methods_;
  std::unique_ptr<rpc::Server> server_;
  base::Mutex mutex_;
  std::vector<Request> requests_ AC_GUARDED_BY(mutex_);
};

/// Runs `arenacache ARGUMENTS...` as it is.
CliRun run_cli(const std::vector<std::string>& arguments, bool is_terminal = false);

}  // namespace arenacache::test
