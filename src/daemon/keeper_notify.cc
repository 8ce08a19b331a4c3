// SPDX-License-Identifier: Apache-2.0
#include "keeper_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::daemon {

Notifier Notifier::take_from_environment() {
  Notifier notifier;
  if (const char* address = std::getenv("NOTIFY_SOCKET"); address != nullptr) notifier.address_ = address;
  ::unsetenv("NOTIFY_SOCKET");
  return notifier;
}

void Notifier::send(const std::string& assignments) const {
  sockaddr_un to{};
  if (address_.empty() || address_.size() >= sizeof to.sun_path) return;
  to.sun_family = AF_UNIX;
  std::ranges::copy(address_, static_cast<char*>(to.sun_path));
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';  // an abstract address
  const base::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  // The casts are what the socket API asks for. A manager that does not listen is no reason to fail.
  static_cast<void>(::sendto(socket.get(), assignments.data(), assignments.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&to), length));
}

void Notifier::ready(std::string_view status) const {
  send(base::text("READY=1\nMAINPID=", ::getpid(), "\nSTATUS=", status));
}

void Notifier::status(std::string_view sentence) const { send(base::text("STATUS=", sentence)); }

void Notifier::stopping() const { send("STOPPING=1\nSTATUS=unmounting"); }

}  // namespace arenacache::daemon
