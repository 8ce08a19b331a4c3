// SPDX-License-Identifier: Apache-2.0
#include "mount/resources.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"

namespace arenacache::test {

namespace {

/// Entries of a folder of /proc; what ends meanwhile may be counted or not.
std::uint64_t entries_of(const std::string& folder) {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) ++count;
  return count;
}

}  // namespace

std::uint64_t memory_of(pid_t pid, const std::string& field) {
  std::ifstream in(base::text("/proc/", pid, "/status"));
  for (std::string word; in >> word;) {
    std::uint64_t kilobytes = 0;
    if (word == field + ":" && in >> kilobytes) return kilobytes / 1024;
  }
  ADD_FAILURE() << "no " << field << " of process " << pid;
  return 0;
}

Resources resources_of(pid_t pid) {
  const std::string folder = base::text("/proc/", pid);
  return {.memory_mib = memory_of(pid, "VmRSS"),
          .descriptors = entries_of(folder + "/fd"),
          .threads = entries_of(folder + "/task")};
}

bool Resources::is_within(const Resources& base, const Resources& more) const {
  const bool is_memory_bounded = ARENACACHE_IS_SANITIZED || memory_mib <= base.memory_mib + more.memory_mib;
  return is_memory_bounded && descriptors <= base.descriptors + more.descriptors &&
         threads <= base.threads + more.threads;
}

std::ostream& operator<<(std::ostream& out, const Resources& resources) {
  return out << resources.memory_mib << " MiB, " << resources.descriptors << " descriptors, " << resources.threads
             << " threads";
}

}  // namespace arenacache::test
