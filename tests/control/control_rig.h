// SPDX-License-Identifier: Apache-2.0
// ControlRig: a real engine on a temporary store, over origins in memory, asked through its real socket.
// Threads: one, the test's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/cache/engine.h"
#include "arenacache/config/config.h"
#include "arenacache/control/control.h"
#include "arenacache/origin/guarded_origin.h"
#include "support/fake_origin.h"
#include "support/fake_page_cache.h"
#include "support/lender.h"
#include "support/temp_dir.h"

namespace arenacache::test {

class ControlRig {
 public:
  ControlRig();
  ~ControlRig();
  ControlRig(const ControlRig&) = delete;
  ControlRig& operator=(const ControlRig&) = delete;

  /// One more mount, before start(): its origin, to be filled.
  FakeOrigin& add_mount(const std::string& name, const std::string& source, const std::string& mountpoint);
  void start();
  /// Ends the control alone.
  void stop_control() { control_.reset(); }

  [[nodiscard]] base::Result<nlohmann::json> ask(const std::string& method,
                                                 const nlohmann::json& params = nlohmann::json::object());
  /// The answer; ends the test program when it is an error.
  nlohmann::json answer(const std::string& method, const nlohmann::json& params = nlohmann::json::object());
  /// Asks until `is_enough` says so, for twenty seconds at most; the last answer.
  nlohmann::json ask_until(const std::string& method, const nlohmann::json& params,
                           const std::function<bool(const nlohmann::json&)>& is_enough);
  /// Prefetches `paths` and waits for the end; the job's last state.
  nlohmann::json prefetch(const std::vector<std::string>& paths);
  /// Paths that `ls` lists, for these parameters.
  std::vector<std::string> listed(const nlohmann::json& params = nlohmann::json::object());

  /// A place for the test's own files.
  [[nodiscard]] std::string path(const std::string& name) const { return dir_.path(name); }
  [[nodiscard]] config::Config& config() { return config_; }
  [[nodiscard]] cache::Engine& engine() { return *engine_; }
  [[nodiscard]] FakeOrigin& origin(std::size_t mount = 0) { return *origins_[mount]; }

 private:
  TempDir dir_;
  base::SystemClock clock_;
  base::PosixFileIo io_;
  test::FakePageCache page_cache_;
  config::Config config_;
  std::vector<std::shared_ptr<FakeOrigin>> origins_;
  std::unique_ptr<base::ThreadPool> pool_;
  Lender lender_;
  std::vector<std::shared_ptr<origin::GuardedOrigin>> guards_;
  std::unique_ptr<cache::Engine> engine_;
  std::unique_ptr<control::Control> control_;
};

}  // namespace arenacache::test
