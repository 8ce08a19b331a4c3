// SPDX-License-Identifier: Apache-2.0
#include "mount/hang.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX

#include <filesystem>
#include <fstream>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"

namespace arenacache::test {

Hang::Hang(const TestMount& source) : worker_(source.worker()) {
  AC_CHECK(worker_ > 0);
  AC_CHECK(::kill(worker_, SIGSTOP) == 0);
  const bool has_stopped = TestMount::wait_for([this] { return is_stopped(); });
  if (!has_stopped) heal();  // else who waits for the source keeps this program from ending
  AC_CHECK(has_stopped);
}

void Hang::heal() const { ::kill(worker_, SIGCONT); }

/// All of its threads: the signal takes a moment to reach each. Not the one that tells the kernel what is old: it answers nobody, and
/// may have to wait for a folder that is held by who now waits for an answer.
bool Hang::is_stopped() const {
  for (const auto& thread : std::filesystem::directory_iterator(base::text("/proc/", worker_, "/task"))) {
    std::ifstream in(thread.path() / "stat");
    std::string number, name, state;  // "123 (fuse) T ..."; no thread of ours has a space in its name
    if (!(in >> number >> name >> state)) return false;
    if (state != "T" && name != "(vfs-notify)") return false;
  }
  return true;
}

}  // namespace arenacache::test
