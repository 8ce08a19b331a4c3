// SPDX-License-Identifier: Apache-2.0
#include "reader.h"

#include <fcntl.h>

#include <iostream>
#include <string_view>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/config/load.h"
#include "arenacache/config/validate.h"
#include "fd_channel.h"
#include "keeper.h"

namespace arenacache::daemon {

using base::Result;

namespace {

int complain(const base::Error& error, int exit_code) {
  std::cerr << "arenacached: " << error.what << '\n';
  return exit_code;
}

}  // namespace

int run_reader(int channel_fd, std::span<char*> arguments) {
  base::log_open(base::LogLevel::info, "reader");
  ::fcntl(channel_fd, F_SETFD, FD_CLOEXEC);
  const FdChannel channel{base::UniqueFd(channel_fd)};
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
  if (!command->check) {
    if (auto clear = clear_dead_mounts(command->config); !clear) return complain(clear.error(), kExitUsage);
  }
  if (auto fits = config::check_machine(command->config); !fits) return complain(fits.error(), kExitUsage);
  if (command->check) {
    std::cout << "the configuration is valid\n";
    return kExitSuccess;
  }
  auto plan = make_plan(command->config);
  if (!plan) return complain(plan.error(), kExitUsage);
  plan->foreground = command->foreground;
  if (auto sent = send_plan(channel, *plan); !sent) return complain(sent.error(), kExitFailure);
  return kExitSuccess;
}

}  // namespace arenacache::daemon
