// SPDX-License-Identifier: Apache-2.0
#include "caller.h"

#include <charconv>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/text.h"

namespace arenacache::vfs {

namespace {

/// The numbers of a line "Groups:\t4 24 1000 ".
std::vector<gid_t> parse_groups(std::string_view numbers) {
  std::vector<gid_t> groups;
  while (!numbers.empty()) {
    gid_t group = 0;
    const auto [end, error] = std::from_chars(numbers.data(), numbers.data() + numbers.size(), group);
    if (error == std::errc()) groups.push_back(group);
    const auto used = static_cast<std::size_t>(end - numbers.data());
    numbers.remove_prefix(error == std::errc() ? used : 1);
  }
  return groups;
}

// The kernel sends no groups with a request. Source: proc(5), /proc/pid/status.
std::vector<gid_t> groups_of(pid_t pid) {
  constexpr std::string_view kKey = "Groups:";
  std::ifstream status(base::text("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kKey)) return parse_groups(std::string_view(line).substr(kKey.size()));
  }
  return {};
}

}  // namespace

origin::Caller caller_of(const Requester& requester) {
  return {.uid = requester.uid, .gid = requester.gid, .groups = groups_of(requester.pid), .umask = requester.umask};
}

}  // namespace arenacache::vfs
