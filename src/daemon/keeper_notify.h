// SPDX-License-Identifier: Apache-2.0
// Notifier: tells the service manager how the daemon is (sd_notify's protocol: datagrams to $NOTIFY_SOCKET).
// Promises: says nothing where no manager listens. Threads: one. Locks: none. Never: blocks or fails the caller.
// Source of the protocol: sd_notify(3), "Implementations".
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "arenacache/base/unique_fd.h"

namespace arenacache::daemon {

/// What the manager kept of an earlier main process (sd_listen_fds_with_names(3)).
class StoredDescriptors {
 public:
  /// Takes them out of the environment, so that no child takes them for its own.
  static StoredDescriptors take_from_environment();

  [[nodiscard]] bool is_empty() const { return by_name_.empty(); }
  /// Closed: there is none of that name.
  base::UniqueFd take(const std::string& name);
  /// All whose names begin with `prefix`, by what follows it.
  std::map<std::string, base::UniqueFd> take_all(const std::string& prefix);

 private:
  std::map<std::string, base::UniqueFd> by_name_;
};

class Notifier {
 public:
  /// Takes $NOTIFY_SOCKET out of the environment, so that no child takes itself for the service's main process.
  static Notifier take_from_environment();

  [[nodiscard]] bool is_listened_to() const { return !address_.empty(); }
  /// READY=1 with a first STATUS.
  void ready(std::string_view status) const;
  void status(std::string_view sentence) const;
  void stopping() const;

  // The manager's store of descriptors (sd_pid_notify_with_fds(3)): what is in it is given to the next main process, should this one
  // be killed. Names: letters, digits and '-'.
  void store(const std::string& name, int descriptor) const;
  void remove(const std::string& name) const;

 private:
  void send(const std::string& assignments, int descriptor = -1) const;

  std::string address_;
};

}  // namespace arenacache::daemon
