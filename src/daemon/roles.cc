// SPDX-License-Identifier: Apache-2.0
#include "roles.h"

#include <charconv>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "reader.h"
#include "worker.h"

namespace arenacache::daemon {

int run_role(int argc, char** argv, KeeperOptions options) {
  if (argc < 1) return kExitUsage;
  const std::span<char*> all(argv, static_cast<std::size_t>(argc));
  const std::string_view role = all.size() > 2 ? all[1] : "";
  if (role != kReaderRole && role != kWorkerRole) {
    options.arguments.assign(all.begin(), all.end());
    return run_keeper(options);
  }
  int channel_fd = -1;
  const std::string_view digits = all[2];
  if (std::from_chars(digits.data(), digits.data() + digits.size(), channel_fd).ec != std::errc{}) return kExitUsage;
  std::vector<char*> arguments{all.front()};
  arguments.insert(arguments.end(), all.begin() + 3, all.end());
  return role == kReaderRole ? run_reader(channel_fd, arguments) : run_worker(channel_fd, arguments);
}

}  // namespace arenacache::daemon
