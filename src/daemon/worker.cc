// SPDX-License-Identifier: Apache-2.0
#include "worker.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/config/config.h"
#include "arenacache/config/load.h"
#include "arenacache/config/reload.h"
#include "arenacache/config/resolved.h"
#include "arenacache/config/validate.h"
#include "fd_channel.h"
#include "keeper_line.h"
#include "keeper_orders.h"
#include "keeper_process.h"
#include "keeper_terminal.h"
#include "keeper_text.h"
#include "worker_services.h"

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;
using base::text;

namespace {

constexpr const char* kProcessName = "worker";

constexpr int kHidePatienceMs = 1000;

/// Nothing: it did not end in time, and is left to its fate.
std::optional<ExitStatus> wait_for_end(ChildProcess& child) {
  pollfd event{.fd = child.pidfd(), .events = POLLIN, .revents = 0};
  while (::poll(&event, 1, kHidePatienceMs) < 0 && errno == EINTR) {
  }
  auto status = child.try_reap();
  if (!status) child.kill(SIGKILL);
  return status;
}

/// A mount namespace of our own, without our mounts. Mounts that the host makes later still arrive here (a NAS mounted anew).
void leave_own_mounts(const std::vector<MountOrder>& mounts) {
  if (::geteuid() != 0) return;
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    base::log_debug("cannot have a mount namespace of our own, going on in the host's");
    return;
  }
  // By a child, which may be lost: one that lies inside a source that hangs cannot be reached by its name.
  auto child = ChildProcess::call([&mounts] {
    ::close_range(0, ~0U, 0);
    bool is_hidden = true;
    for (const MountOrder& mount : mounts)
      is_hidden = ::umount2(mount.mountpoint.c_str(), MNT_DETACH) == 0 && is_hidden;
    return is_hidden ? 0 : 1;
  });
  const auto status = child ? wait_for_end(*child) : std::nullopt;
  if (!status || status->code != 0) base::log_debug("cannot hide the mounts from the worker");
}

/// Every open file of a program costs us one; the usual soft limit of 1024 is for select(2).
void ignore_signals() {
  // A Ctrl-C reaches the whole process group; only the keeper decides when we end.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
}

/// What the daemon's arguments and the file that they name say now.
Result<config::Config> read_config(std::span<char*> arguments) {
  AC_ASSIGN(config::CommandLine command,
            config::parse_command_line(static_cast<int>(arguments.size()), arguments.data()));
  AC_TRY(config::validate(command.config));
  return std::move(command.config);
}

/// What the keeper has us go by. Not read anew: the file may be half edited, and whoever comes after a crash must be able to start.
Result<config::Config> configuration_in(const Orders& orders) {
  AC_ASSIGN(const std::string resolved, read_text_file(orders.configuration.get()));
  return config::read_resolved(resolved);
}

/// Pairs the descriptors with their part of the configuration. What somebody unmounted meanwhile is left out of it.
Result<std::vector<MountInput>> match(config::Config& config, std::vector<MountOrder> handed, const Birth& birth) {
  std::vector<MountInput> inputs;
  for (MountOrder& mount : handed) {
    const auto found = std::ranges::find(config.mounts, mount.name, &config::MountConfig::name);
    if (found == config.mounts.end()) {
      return base::fail(ErrorKind::invalid, EPROTO,
                        text("the keeper's configuration does not know the mount \"", mount.name, "\""));
    }
    inputs.push_back({.mount = *found,
                      .fuse = std::move(mount.fuse),
                      .source = std::move(mount.source),
                      .facts = std::move(mount.facts),
                      .area = std::move(mount.area),
                      .kept = std::move(mount.kept),
                      .after_crash = birth.after_crash,
                      .gives_up = birth.gives_up});
  }
  config.mounts.clear();
  for (const MountInput& input : inputs) config.mounts.push_back(input.mount);
  return inputs;
}

class Worker {
 public:
  Worker(FdChannel channel, std::span<char*> arguments)
      : keeper_(std::make_shared<KeeperLine>(std::move(channel))), arguments_(arguments) {}

  int run() {
    if (auto started = start(); !started) {
      const std::array<std::string, 1> sentence{started.error().what};
      // With the keeper gone as well there is nobody left to tell.
      static_cast<void>(keeper_->send(MessageKind::failed, sentence));
      if (!services_) return 1;
      services_->leave();
      ::_exit(1);
    }
    if (listen() == MessageKind::leave) {
      services_->leave();
      // At once: what is left is the next worker's, and no destructor may answer anybody any more.
      ::_exit(0);
    }
    if (!services_->stop()) ::_exit(0);
    return 0;
  }

 private:
  Result<void> start() {
    AC_ASSIGN(Orders orders, receive_orders(keeper_->channel()));
    leave_own_mounts(orders.mounts);
    raise_open_file_limit();
    AC_ASSIGN(config::Config config, configuration_in(orders));
    base::log_open(config.daemon.log_level, kProcessName);
    note_configuration(config);
    if (orders.birth.is_cautious) turn_off(config);
    AC_ASSIGN(std::vector<MountInput> inputs, match(config, std::move(orders.mounts), orders.birth));
    AC_ASSIGN(services_, Services::start(config, std::move(inputs),
                                         {.keeper = keeper_,
                                          .restart = [this] { return ask_for_restart(); },
                                          .lifeline = std::move(orders.lifeline),
                                          .is_alone = orders.birth.is_alone}));
    AC_TRY(keeper_->send(MessageKind::ready));
    // Not before: who has an answer of this worker may have it replaced, or kill it, and the keeper is to know by then that it serves.
    services_->answer_questions();
    if (orders.birth.leaves_terminal) leave_terminal();
    return {};
  }

  static void turn_off(config::Config& config) {
    config.cache.mode = config::CacheMode::off;
    for (config::MountConfig& mount : config.mounts) mount.cache.mode = config::CacheMode::off;
  }

  void leave_terminal() {
    const base::MutexLock lock(mutex_);
    let_go_of_terminal();
    std::error_code error;
    started_in_ = std::filesystem::current_path(error);
    if (::chdir("/") != 0) base::log_debug("cannot leave the folder that the daemon was started in");
  }

  /// Until the keeper says stop or leave, or is gone.
  MessageKind listen() {
    while (true) {
      const auto message = keeper_->channel().receive();
      if (!message || !*message) {
        // Nobody is told anything: there may be another keeper, and where there is none the kernel tells programs itself.
        base::log_error("the keeper is gone, ending");
        return MessageKind::leave;
      }
      const MessageKind kind = (*message)->kind;
      if (kind == MessageKind::stop || kind == MessageKind::leave) return kind;
      if (kind == MessageKind::reload) reload();
      if (kind == MessageKind::alone) services_->let_changes_go();
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
    AC_ASSIGN(const config::Config config, read_config_again());
    AC_TRY(services_->reload(config));
    base::log_open(config.daemon.log_level, kProcessName);
    return tell(MessageKind::configured, note_reload(config));
  }

  void note_configuration(const config::Config& config) {
    const base::MutexLock lock(mutex_);
    configuration_ = config;
  }

  /// Takes over what services do. Returns all of what they go by now.
  config::Config note_reload(const config::Config& fresh) {
    const base::MutexLock lock(mutex_);
    static_cast<void>(config::apply_reloadable(configuration_, fresh));  // they have said what it does not change
    return configuration_;
  }

  Result<void> tell(MessageKind kind, const config::Config& config) {
    AC_ASSIGN(const base::UniqueFd file, make_text_file("configuration", config::write_resolved(config)));
    const std::array<int, 1> fds{file.get()};
    return keeper_->send(kind, {}, fds);
  }

  Result<config::Config> read_config_again() {
    const base::MutexLock lock(mutex_);
    // Relative paths among the arguments mean the folder that the daemon was started in.
    if (!started_in_.empty() && ::chdir(started_in_.c_str()) != 0) {
      return base::fail_errno(ErrorKind::invalid, errno, text("cannot enter ", started_in_.string()));
    }
    auto config = read_config(arguments_);
    if (!started_in_.empty() && ::chdir("/") != 0) base::log_debug("cannot leave the folder again");
    return config;
  }

  /// Called on any thread. What a successor would refuse is refused here, while somebody still serves.
  Result<void> ask_for_restart() {
    AC_ASSIGN(const config::Config config, read_config_again());
    {
      const base::MutexLock lock(mutex_);
      AC_TRY(config::check_same_mounts(configuration_, config));
    }
    return tell(MessageKind::restart, config);
  }

  const std::shared_ptr<KeeperLine> keeper_;
  std::span<char*> arguments_;
  base::Mutex mutex_;  ///< also for the folder that the threads are in, which is one for all
  config::Config configuration_ AC_GUARDED_BY(mutex_);  ///< what services go by, but for caution
  std::filesystem::path started_in_ AC_GUARDED_BY(mutex_);  ///< empty while we are still there
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
