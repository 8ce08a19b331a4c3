// SPDX-License-Identifier: Apache-2.0
// arenacached with fake services and short deadlines.
#include <chrono>

#include "roles.h"

int main(int argc, char** argv) {
  arenacache::daemon::KeeperOptions options;
  options.unmount_deadline = std::chrono::milliseconds(1500);
  options.stop_deadline = std::chrono::milliseconds(1500);
  options.kill_deadline = std::chrono::milliseconds(500);
  options.replace_deadline = std::chrono::seconds(8);
  return arenacache::daemon::run_role(argc, argv, options);
}
