// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/text.h"
#include "bounded_call.h"
#include "facts_gatherer.h"
#include "paths.h"
#include "proc_files.h"

namespace arenacache::cli {

using base::text;
using nlohmann::json;

namespace {

/// For a look at every process or namespace; at a mount in one of them; and at a process that sleeps in the kernel.
constexpr auto kProcessesTime = std::chrono::seconds(5);
constexpr auto kDeadTime = std::chrono::milliseconds(500);
constexpr auto kSleeperTime = std::chrono::milliseconds(200);
constexpr std::string_view kDaemonName = "arenacached";
constexpr std::size_t kMaxNamespaces = 64;

/// Asks the file system itself, past what the kernel remembers. 0, or an errno.
json ask_mount(const std::string& path) {
  struct statx attributes{};
  const int got = ::statx(AT_FDCWD, path.c_str(), AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &attributes);
  return got == 0 ? 0 : errno;
}

MountState state_of(const std::optional<json>& answer) {
  if (!answer) return MountState::stuck;
  return *answer == ENOTCONN ? MountState::dead : MountState::alive;
}

/// Those of the config or the daemon; without either, whatever of ours is mounted here.
std::set<std::string> mountpoints_of(const Surroundings& around, const MachineFacts& facts) {
  std::set<std::string> out;
  for (const SourceFacts& source : facts.sources) out.insert(source.mountpoint);
  if (!out.empty()) return out;
  for (const MountRow& row : around.rows) {
    if (row.type == kOurMountType) out.insert(row.mountpoint);
  }
  return out;
}

void gather_states(const Surroundings& around, MachineFacts& facts) {
  std::vector<BoundedCall> calls;
  for (const std::string& mountpoint : mountpoints_of(around, facts)) {
    const MountRow* row = find_ours(around.rows, mountpoint);
    MountFacts mount{.mountpoint = mountpoint};
    if (row != nullptr) mount.connection = row->device.substr(row->device.find(':') + 1);
    facts.mounts.push_back(std::move(mount));
    calls.emplace_back([mountpoint]() -> json { return ask_mount(mountpoint); });
  }
  const base::TimePoint deadline = deadline_in(facts.patience);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (facts.mounts[i].connection.empty()) continue;
    facts.mounts[i].state = state_of(calls[i].result(deadline));
  }
}

std::string name_of(std::int64_t pid) {
  std::string name = read_proc_file(text("/proc/", pid, "/comm"));
  if (name.ends_with('\n')) name.pop_back();
  return name;
}

/// A worker hides its own mount from itself.
bool is_daemon(std::int64_t pid) {
  const std::string program = link_at(text("/proc/", pid, "/exe"));  // may end in " (deleted)" after an upgrade
  const std::size_t slash = program.rfind('/');
  return slash != std::string::npos && program.substr(slash + 1).starts_with(kDaemonName);
}

/// A process in each mount namespace but our own and the daemons'.
std::vector<std::int64_t> one_of_each_namespace() {
  std::set<std::string> seen = {link_at("/proc/self/ns/mnt"), std::string()};
  std::vector<std::int64_t> out;
  for (const std::int64_t pid : process_ids()) {
    if (out.size() == kMaxNamespaces) break;
    const std::string name = link_at(text("/proc/", pid, "/ns/mnt"));
    if (seen.contains(name) || is_daemon(pid)) continue;
    seen.insert(name);
    out.push_back(pid);
  }
  return out;
}

/// A dead mount says so at once; one that is stuck is not waited for.
bool is_dead(std::int64_t pid, const std::string& mountpoint) {
  const std::string path = text("/proc/", pid, "/root", mountpoint);
  BoundedCall call([&]() -> json { return ask_mount(path); });
  return state_of(call.result(deadline_in(kDeadTime))) == MountState::dead;
}

/// What a namespace sees of one mount, where that is not the mount. `own`: our namespace's rows.
std::optional<NamespaceFacts> trouble_in(std::int64_t pid, const Sight& sight, const std::vector<MountRow>& own) {
  if (sight.of_mount) return std::nullopt;
  for (const MountRow& other : sight.others) {
    const bool is_known = std::ranges::find(own, other.device, &MountRow::device) != own.end();
    if (is_known || !is_dead(pid, other.mountpoint)) continue;
    return NamespaceFacts{.pid = pid, .program = name_of(pid), .mountpoint = other.mountpoint, .sees_dead_mount = true};
  }
  if (sight.bare_at.empty()) return std::nullopt;
  return NamespaceFacts{.pid = pid, .program = name_of(pid), .mountpoint = sight.bare_at};
}

void gather_namespaces(const Surroundings& around, MachineFacts& facts) {
  const base::TimePoint deadline = deadline_in(kProcessesTime);
  for (const std::int64_t pid : one_of_each_namespace()) {
    if (base::SystemClock().now() > deadline) return;
    const auto rows = parse_mount_rows(read_proc_file(text("/proc/", pid, "/mountinfo")));
    for (const MountFacts& known : facts.mounts) {
      const MountRow* mount = find_ours(around.rows, known.mountpoint);
      const auto place = bare_place_of(around.rows, known.mountpoint);
      if (mount == nullptr || !place) continue;
      if (auto trouble = trouble_in(pid, sight_of(rows, *place, mount->device), around.rows)) {
        facts.namespaces.push_back(std::move(*trouble));
        break;
      }
    }
  }
}

/// Bytes of each file of our mounts that a process has open or mapped.
class HeldFiles {
 public:
  explicit HeldFiles(const std::vector<std::string>& mountpoints) : mountpoints_(mountpoints) {}

  void add_open(std::int64_t pid) {
    const std::string folder = text("/proc/", pid, "/fd");
    for (const std::string& name : names_in(folder)) {
      const std::string entry = text(folder, "/", name);
      const std::string path = link_at(entry);
      struct stat status{};
      if (!is_ours(path) || ::stat(entry.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
      note(path, static_cast<std::uint64_t>(status.st_size));
    }
  }

  void add_mapped(std::int64_t pid) {
    const std::string maps = read_proc_file(text("/proc/", pid, "/maps"));
    for (std::size_t begin = 0; begin < maps.size();) {
      const std::size_t end = std::min(maps.find('\n', begin), maps.size());
      add_mapping(std::string_view(maps).substr(begin, end - begin));
      begin = end + 1;
    }
  }

  [[nodiscard]] std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const auto& [path, bytes] : files_) sum += bytes;
    return sum;
  }

 private:
  /// "7f0-7f8 r--p 00000000 00:2a 5    /path": how far into the file it reaches.
  void add_mapping(std::string_view line) {
    const std::size_t slash = line.find('/');
    if (slash == std::string_view::npos || !is_ours(line.substr(slash))) return;
    const auto from = number_in(line, 16);
    const auto to = number_in(line.substr(line.find('-') + 1), 16);
    const std::size_t modes = line.find(' ');
    const auto offset = number_in(line.substr(line.find(' ', modes + 1)), 16);
    if (from && to && offset) note(line.substr(slash), *offset + (*to - *from));
  }

  [[nodiscard]] bool is_ours(std::string_view path) const {
    return std::ranges::any_of(mountpoints_, [&](const std::string& one) { return is_at_or_below(path, one); });
  }

  void note(std::string_view path, std::uint64_t bytes) {
    std::uint64_t& known = files_[std::string(path)];
    known = std::max(known, bytes);
  }

  const std::vector<std::string>& mountpoints_;
  std::map<std::string, std::uint64_t> files_;
};

json held_by(std::int64_t pid, const std::vector<std::string>& mountpoints) {
  HeldFiles held(mountpoints);
  held.add_open(pid);
  held.add_mapped(pid);
  return held.total();
}

/// Sleeps one of its threads in the kernel? Then a look at its memory may wait for that thread.
bool has_sleeper(std::int64_t pid) {
  const std::string tasks = text("/proc/", pid, "/task");
  return std::ranges::any_of(names_in(tasks), [&](const std::string& task) {
    return field_of(read_proc_file(text(tasks, "/", task, "/status")), "State").starts_with('D');
  });
}

json holders_answer(const std::vector<std::string>& mountpoints) {
  json out = json::array();
  for (const std::int64_t pid : process_ids()) {
    if (pid == ::getpid()) continue;
    json bytes;
    if (has_sleeper(pid)) {
      BoundedCall call([&]() -> json { return held_by(pid, mountpoints); });
      bytes = call.result(deadline_in(kSleeperTime)).value_or(0);
    } else {
      bytes = held_by(pid, mountpoints);
    }
    if (bytes > 0) out.push_back({{"pid", pid}, {"program", name_of(pid)}, {"bytes", bytes}});
  }
  return out;
}

void gather_holders(MachineFacts& facts) {
  std::vector<std::string> alive;
  for (const MountFacts& mount : facts.mounts) {
    if (mount.state == MountState::alive) alive.push_back(mount.mountpoint);
  }
  if (alive.empty()) return;
  BoundedCall call([&]() -> json { return holders_answer(alive); });
  const auto answer = call.result(deadline_in(kProcessesTime));
  if (!answer) return;
  for (const json& holder : *answer) {
    facts.holders.push_back({.pid = holder.value("pid", std::int64_t{0}),
                             .program = holder.value("program", ""),
                             .bytes = holder.value("bytes", std::uint64_t{0})});
  }
  std::ranges::sort(facts.holders, std::ranges::greater(), &HolderFacts::bytes);
}

}  // namespace

void gather_mounts(const Surroundings& around, MachineFacts& facts) {
  gather_states(around, facts);
  const bool has_mount =
      std::ranges::any_of(facts.mounts, [](const MountFacts& one) { return !one.connection.empty(); });
  if (!has_mount) return;
  gather_holders(facts);
  if (facts.is_root) gather_namespaces(around, facts);
}

}  // namespace arenacache::cli
