// SPDX-License-Identifier: Apache-2.0
// Notifier: tells the service manager how the daemon is (sd_notify's protocol: datagrams to $NOTIFY_SOCKET).
// Promises: says nothing where no manager listens. Threads: one. Locks: none. Never: blocks or fails the caller.
// Source of the protocol: sd_notify(3), "Implementations".
#pragma once

#include <string>
#include <string_view>

namespace arenacache::daemon {

class Notifier {
 public:
  /// Takes $NOTIFY_SOCKET out of the environment, so that no child takes itself for the service's main process.
  static Notifier take_from_environment();

  [[nodiscard]] bool is_listened_to() const { return !address_.empty(); }
  /// READY=1 with a first STATUS.
  void ready(std::string_view status) const;
  void status(std::string_view sentence) const;
  void stopping() const;

 private:
  void send(const std::string& assignments) const;

  std::string address_;
};

}  // namespace arenacache::daemon
