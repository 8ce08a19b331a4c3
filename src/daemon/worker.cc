// SPDX-License-Identifier: Apache-2.0
#include "worker.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/config/config.h"
#include "arenacache/config/load.h"
#include "arenacache/config/validate.h"
#include "fd_channel.h"
#include "keeper_terminal.h"
#include "worker_services.h"

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;
using base::text;

namespace {

constexpr const char* kProcessName = "worker";

/// What the keeper hands over before anything starts.
struct HandedMount {
  std::string name;
  std::string mountpoint;
  base::UniqueFd fuse;
  base::UniqueFd source;
};
struct Handed {
  bool leaves_terminal = false;
  std::vector<HandedMount> mounts;
};

std::unexpected<base::Error> malformed() {
  return base::fail(ErrorKind::invalid, EPROTO, "the keeper's first messages are malformed");
}

Result<Handed> receive_mounts(const FdChannel& channel) {
  AC_ASSIGN(auto head, channel.receive());
  if (!head || head->kind != MessageKind::start || head->fields.size() != 2) return malformed();
  std::size_t count = 0;
  const std::string& digits = head->fields[0];
  if (std::from_chars(digits.data(), digits.data() + digits.size(), count).ec != std::errc{}) return malformed();
  Handed handed{.leaves_terminal = head->fields[1] == "1", .mounts = {}};
  while (handed.mounts.size() < count) {
    AC_ASSIGN(auto message, channel.receive());
    if (!message || message->kind != MessageKind::serve) return malformed();
    if (message->fields.size() != 2 || message->fds.size() != 2) return malformed();
    handed.mounts.push_back({.name = std::move(message->fields[0]),
                             .mountpoint = std::move(message->fields[1]),
                             .fuse = std::move(message->fds[0]),
                             .source = std::move(message->fds[1])});
  }
  return handed;
}

/// A mount namespace of our own, without our mounts. Mounts that the host makes later still arrive here (a NAS mounted anew).
void leave_own_mounts(const std::vector<HandedMount>& mounts) {
  if (::geteuid() != 0) return;
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    base::log_debug("cannot have a mount namespace of our own, going on in the host's");
    return;
  }
  for (const HandedMount& mount : mounts) {
    if (::umount2(mount.mountpoint.c_str(), MNT_DETACH) != 0) {
      base::log_debug(text("cannot hide ", mount.mountpoint, " from the worker"));
    }
  }
}

/// Every open file of a program costs us one; the usual soft limit of 1024 is for select(2).
void raise_open_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) base::log_debug("cannot raise the limit of open files");
}

void ignore_signals() {
  // A Ctrl-C reaches the whole process group; only the keeper decides when we end.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
}

Result<config::Config> read_config(std::span<char*> arguments) {
  AC_ASSIGN(config::CommandLine command,
            config::parse_command_line(static_cast<int>(arguments.size()), arguments.data()));
  AC_TRY(config::validate(command.config));
  return std::move(command.config);
}

/// Pairs the descriptors with their part of the configuration, which may have been edited since the reader read it.
Result<std::vector<MountInput>> match(const config::Config& config, std::vector<HandedMount> handed) {
  std::vector<MountInput> inputs;
  for (HandedMount& mount : handed) {
    const auto found = std::ranges::find(config.mounts, mount.name, &config::MountConfig::name);
    if (found == config.mounts.end() || config.mounts.size() != handed.size()) {
      return base::fail(ErrorKind::invalid, EAGAIN, "the configuration changed while the daemon started");
    }
    inputs.push_back({.mount = *found, .fuse = std::move(mount.fuse), .source = std::move(mount.source)});
  }
  return inputs;
}

class Worker {
 public:
  Worker(FdChannel channel, std::span<char*> arguments) : channel_(std::move(channel)), arguments_(arguments) {}

  int run() {
    if (auto started = start(); !started) {
      const std::array<std::string, 1> sentence{started.error().what};
      // With the keeper gone as well there is nobody left to tell.
      static_cast<void>(channel_.send(MessageKind::failed, sentence));
      return 1;
    }
    listen();
    services_->stop();
    return 0;
  }

 private:
  Result<void> start() {
    AC_ASSIGN(Handed handed, receive_mounts(channel_));
    leave_own_mounts(handed.mounts);
    raise_open_file_limit();
    AC_ASSIGN(const config::Config config, read_config(arguments_));
    base::log_open(config.daemon.log_level, kProcessName);
    AC_ASSIGN(std::vector<MountInput> inputs, match(config, std::move(handed.mounts)));
    AC_ASSIGN(services_, Services::start(config, std::move(inputs)));
    AC_TRY(channel_.send(MessageKind::ready));
    if (handed.leaves_terminal) leave_terminal();
    return {};
  }

  void leave_terminal() {
    let_go_of_terminal();
    std::error_code error;
    started_in_ = std::filesystem::current_path(error);
    if (::chdir("/") != 0) base::log_debug("cannot leave the folder that the daemon was started in");
  }

  /// Until the keeper says stop, or is gone.
  void listen() {
    while (true) {
      const auto message = channel_.receive();
      if (!message || !*message) {
        base::log_error("the keeper is gone, ending");
        return;
      }
      if ((*message)->kind == MessageKind::stop) return;
      if ((*message)->kind == MessageKind::reload) reload();
    }
  }

  void reload() {
    if (auto done = try_reload(); !done) {
      base::log_error(text("the configuration is not read again: ", done.error().what));
      return;
    }
    base::log_info("the configuration was read again");
  }

  Result<void> try_reload() {
    // Relative paths among the arguments mean the folder that the daemon was started in.
    if (!started_in_.empty() && ::chdir(started_in_.c_str()) != 0) {
      return base::fail_errno(ErrorKind::invalid, errno, text("cannot enter ", started_in_.string()));
    }
    auto config = read_config(arguments_);
    if (!started_in_.empty() && ::chdir("/") != 0) base::log_debug("cannot leave the folder again");
    if (!config) return std::unexpected(std::move(config).error());
    AC_TRY(services_->reload(*config));
    base::log_open(config->daemon.log_level, kProcessName);
    return {};
  }

  FdChannel channel_;
  std::span<char*> arguments_;
  std::filesystem::path started_in_;  ///< empty while we are still there
  std::unique_ptr<Services> services_;
};

}  // namespace

int run_worker(int channel_fd, std::span<char*> arguments) {
  base::log_open(base::LogLevel::info, kProcessName);
  ::fcntl(channel_fd, F_SETFD, FD_CLOEXEC);
  ignore_signals();
  return Worker(FdChannel(base::UniqueFd(channel_fd)), arguments).run();
}

}  // namespace arenacache::daemon
