// SPDX-License-Identifier: Apache-2.0
#include "arenacache/control/control.h"

#include <utility>

#include "arenacache/rpc/server.h"
#include "methods.h"

namespace arenacache::control {

namespace {

constexpr unsigned kWorkers = 8;

class SocketControl final : public Control {
 public:
  SocketControl(const ControlOptions& options, cache::Engine& engine, base::Clock& clock)
      : methods_(options, engine, clock) {}
  /// First what waits for an origin, so that no running method keeps the server from ending.
  ~SocketControl() override {
    methods_.stop();
    server_.reset();
  }
  SocketControl(const SocketControl&) = delete;
  SocketControl& operator=(const SocketControl&) = delete;

  void serve() override { server_->serve(); }

  base::Result<void> open_socket(const config::DaemonConfig& config, base::Clock& clock) {
    rpc::ServerOptions options;
    options.socket_path = config.socket;
    options.socket_group = config.socket_group;
    options.workers = kWorkers;
    AC_ASSIGN(server_, rpc::Server::listen(std::move(options), methods_.table(), clock));
    return {};
  }

 private:
  Methods methods_;
  std::unique_ptr<rpc::Server> server_;  // after methods_, which its threads call
};

}  // namespace

base::Result<std::unique_ptr<Control>> Control::listen(const ControlOptions& options, cache::Engine& engine,
                                                       base::Clock& clock) {
  auto control = std::make_unique<SocketControl>(options, engine, clock);
  AC_TRY(control->open_socket(options.config.daemon, clock));
  return control;
}

}  // namespace arenacache::control
