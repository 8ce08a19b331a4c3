// SPDX-License-Identifier: Apache-2.0
#include "keeper_terminal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arenacache/base/unique_fd.h"

namespace arenacache::daemon {

void let_go_of_terminal() {
  const base::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.is_open()) return;
  ::dup2(null.get(), STDIN_FILENO);
  ::dup2(null.get(), STDOUT_FILENO);
  struct stat target{};
  const bool keeps_log = ::fstat(STDERR_FILENO, &target) == 0 && (S_ISREG(target.st_mode) || S_ISSOCK(target.st_mode));
  if (!keeps_log) ::dup2(null.get(), STDERR_FILENO);
}

}  // namespace arenacache::daemon
