// SPDX-License-Identifier: Apache-2.0
#include "keeper_notify.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

#include "arenacache/base/text.h"

namespace arenacache::daemon {

Notifier Notifier::take_from_environment() {
  Notifier notifier;
  if (const char* address = std::getenv("NOTIFY_SOCKET"); address != nullptr) notifier.address_ = address;
  ::unsetenv("NOTIFY_SOCKET");
  return notifier;
}

StoredDescriptors StoredDescriptors::take_from_environment() {
  constexpr int kFirst = 3;  // Source: SD_LISTEN_FDS_START
  StoredDescriptors stored;
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  std::istringstream names(variable("LISTEN_FDNAMES"));
  const bool is_ours = variable("LISTEN_PID") == std::to_string(::getpid());
  int count = 0;
  std::istringstream(variable("LISTEN_FDS")) >> count;
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  if (!is_ours) return stored;
  for (int fd = kFirst; fd < kFirst + count; ++fd) {
    std::string name;
    std::getline(names, name, ':');
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    stored.by_name_.insert_or_assign(name, base::UniqueFd(fd));
  }
  return stored;
}

base::UniqueFd StoredDescriptors::take(const std::string& name) {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? base::UniqueFd() : std::move(found->second);
}

std::map<std::string, base::UniqueFd> StoredDescriptors::take_all(const std::string& prefix) {
  std::map<std::string, base::UniqueFd> found;
  for (auto& [name, descriptor] : by_name_) {
    if (name.starts_with(prefix)) found.emplace(name.substr(prefix.size()), std::move(descriptor));
  }
  return found;
}

void Notifier::send(const std::string& assignments, int descriptor) const {
  sockaddr_un to{};
  if (address_.empty() || address_.size() >= sizeof to.sun_path) return;
  to.sun_family = AF_UNIX;
  std::ranges::copy(address_, static_cast<char*>(to.sun_path));
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';  // an abstract address
  const base::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // A manager that is busy is waited for, not for long: what it does not store is lost with us.
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  // The casts are what the socket API asks for.
  iovec part{.iov_base = const_cast<char*>(assignments.data()), .iov_len = assignments.size()};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space{};
  if (descriptor >= 0) {
    message.msg_control = space.data();
    message.msg_controllen = space.size();
    cmsghdr* const control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
  }
  // A manager that does not listen is no reason to fail.
  static_cast<void>(::sendmsg(socket.get(), &message, MSG_NOSIGNAL));
}

void Notifier::store(const std::string& name, int descriptor) const {
  // Not polled: among them are descriptors that cannot be (O_PATH), and whether one is of use is for us to say.
  send(base::text("FDSTORE=1\nFDPOLL=0\nFDNAME=", name), descriptor);
}

void Notifier::remove(const std::string& name) const { send(base::text("FDSTOREREMOVE=1\nFDNAME=", name)); }

void Notifier::ready(std::string_view status) const {
  send(base::text("READY=1\nMAINPID=", ::getpid(), "\nSTATUS=", status));
}

void Notifier::status(std::string_view sentence) const { send(base::text("STATUS=", sentence)); }

void Notifier::stopping() const { send("STOPPING=1\nSTATUS=unmounting"); }

}  // namespace arenacache::daemon
