// SPDX-License-Identifier: Apache-2.0
#include "reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/base/units.h"
#include "arenacache/config/load.h"
#include "arenacache/config/validate.h"
#include "fd_channel.h"
#include "keeper.h"

namespace arenacache::daemon {

namespace {

int complain(const base::Error& error, int exit_code) {
  std::cerr << "arenacached: " << error.what << '\n';
  return exit_code;
}

/// What the thread that looks at folders is at, for the one that waits for it.
class Progress {
 public:
  void looks_at(const std::string& folder) {
    const base::MutexLock lock(mutex_);
    folder_ = folder;
  }
  void ends(int exit_code) {
    const base::MutexLock lock(mutex_);
    exit_code_ = exit_code;
    ended_.notify_one();
  }
  /// The exit code, or nothing: `deadline` came first.
  std::optional<int> wait_until(std::chrono::steady_clock::time_point deadline) {
    base::MutexLock lock(mutex_);
    while (!exit_code_) {
      if (ended_.native().wait_until(lock.native(), deadline) == std::cv_status::timeout) break;
    }
    return exit_code_;
  }
  std::string folder() {
    const base::MutexLock lock(mutex_);
    return folder_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar ended_;
  std::string folder_ AC_GUARDED_BY(mutex_);
  std::optional<int> exit_code_ AC_GUARDED_BY(mutex_);
};

int look_and_send_plan(const FdChannel& channel, const config::CommandLine& command, const LooksAt& looks_at) {
  const config::Config& config = command.config;
  if (!command.check) {
    if (auto clear = clear_dead_mounts(config, looks_at); !clear) return complain(clear.error(), kExitUsage);
  }
  if (auto fits = config::check_machine(config, looks_at); !fits) return complain(fits.error(), kExitUsage);
  if (command.check) {
    std::cout << "the configuration is valid\n" << std::flush;
    return kExitSuccess;
  }
  auto plan = make_plan(config, looks_at);
  if (!plan) return complain(plan.error(), kExitUsage);
  plan->foreground = command.foreground;
  if (auto sent = send_plan(channel, *plan); !sent) return complain(sent.error(), kExitFailure);
  return kExitSuccess;
}

/// A machine that is busy starting up is no folder that hangs.
constexpr auto kLeastPatience = std::chrono::seconds(5);

/// The longest that any of the sources is waited for.
std::chrono::nanoseconds patience_of(const config::Config& config) {
  std::chrono::nanoseconds longest = kLeastPatience;
  for (const config::MountConfig& mount : config.mounts) {
    longest = std::max<std::chrono::nanoseconds>(longest, mount.origin.timeout);
  }
  return longest;
}

}  // namespace

int run_reader(int channel_fd, std::span<char*> arguments) {
  base::log_open(base::LogLevel::info, "reader");
  ::fcntl(channel_fd, F_SETFD, FD_CLOEXEC);
  auto command = config::parse_command_line(static_cast<int>(arguments.size()), arguments.data());
  if (!command) return complain(command.error(), kExitUsage);
  if (command->help) {
    std::cout << config::usage();
    return kExitSuccess;
  }
  if (command->version) {
    std::cout << "arenacached " << ARENACACHE_VERSION << '\n';
    return kExitSuccess;
  }
  base::log_open(command->config.daemon.log_level, "reader");
  if (auto valid = config::validate(command->config); !valid) return complain(valid.error(), kExitUsage);
  const auto patience = patience_of(command->config);
  const auto progress = std::make_shared<Progress>();
  const auto channel = std::make_shared<const FdChannel>(base::UniqueFd(channel_fd));
  std::thread looker([progress, channel, command = std::move(*command)] {
    progress->ends(look_and_send_plan(*channel, command, [&](const auto& folder) { progress->looks_at(folder); }));
  });
  if (const auto exit_code = progress->wait_until(std::chrono::steady_clock::now() + patience)) {
    looker.join();
    return *exit_code;
  }
  looker.detach();
  const std::array<std::string, 1> sentence{base::text(progress->folder(), " has not answered within ",
                                                       base::format_duration(patience),
                                                       ", so nothing is mounted: is its server there?")};
  // Not by our end: the thread that waits for the folder may keep this process from ending.
  if (auto told = channel->send(MessageKind::failed, sentence); !told) complain(told.error(), kExitFailure);
  ::_exit(kExitFailure);
}

}  // namespace arenacache::daemon
