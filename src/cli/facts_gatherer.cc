// SPDX-License-Identifier: Apache-2.0
#include "facts_gatherer.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/config/load.h"
#include "arenacache/config/validate.h"
#include "arenacache/rpc/client.h"
#include "bounded_call.h"
#include "defaults.h"
#include "proc_files.h"

namespace arenacache::cli {

using base::Result;
using base::text;
using nlohmann::json;

namespace {

/// What `stats` takes beside waiting for its turn.
constexpr auto kStatsTime = std::chrono::seconds(3);

Result<json> ask_stats(const std::string& socket, base::Duration patience) {
  AC_ASSIGN(rpc::Client client, rpc::Client::connect(socket, patience));
  return client.call("stats", json::object(), patience + kStatsTime);
}

/// Who listens at `socket`; 0: nobody, or a process that cannot be seen from here.
std::int64_t listener_of(const std::string& socket) {
  const base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!fd.is_open() || socket.size() >= sizeof address.sun_path) return 0;
  socket.copy(address.sun_path, socket.size());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 0;
  ucred listener{};
  socklen_t length = sizeof listener;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &listener, &length) != 0) return 0;
  return listener.pid;
}

DaemonFacts daemon_facts(const json& stats) {
  DaemonFacts out{.version = stats.value("version", ""),
                  .mode = stats.value("mode", ""),
                  .warning = stats.value("warning", ""),
                  .has_store = stats.value("store_usable", true),
                  .checksum_errors = stats.value("checksum_errors", std::uint64_t{0}),
                  .store_errors = stats.value("store_errors", std::uint64_t{0})};
  const json passthrough = stats.value("passthrough", json::object());
  out.has_passthrough = passthrough.value("available", false);
  out.no_passthrough_reason = passthrough.value("reason", "");
  for (const json& tier : stats.value("tiers", json::array())) {
    out.capacity_bytes += tier.value("capacity_bytes", std::uint64_t{0});
    out.held_open_bytes += tier.value("held_open_bytes", std::uint64_t{0});
    if (auto trouble = tier.value("trouble", ""); !trouble.empty()) out.away_tiers.push_back(std::move(trouble));
  }
  return out;
}

SourceFacts source_facts(const json& mount) {
  SourceFacts out{
      .name = mount.value("name", ""), .path = mount.value("source", ""), .mountpoint = mount.value("mountpoint", "")};
  for (const json& link : mount.value("links_out", json::array())) {
    out.links_out.push_back({.path = link.value("path", ""), .target = link.value("target", "")});
  }
  const json origin = mount.value("origin", json::object());
  if (const auto health = origin.find("health"); health != origin.end()) {
    if (health->is_string()) out.health = health->get<std::string>();
    if (health->is_object()) out.health = health->value("state", "");
  }
  out.timeouts = origin.value("timeouts", std::uint64_t{0});
  out.lost_threads = origin.value("lost_threads", std::uint64_t{0});
  return out;
}

/// The running daemon's command line as it was typed; none where it cannot be seen.
std::vector<std::string> flags_of(std::int64_t pid) {
  std::vector<std::string> words;
  if (pid <= 0) return words;
  BoundedCall call(
      [pid]() -> json { return read_proc_file(text("/proc/", pid, "/cmdline")); });  // waits for its memory
  const std::string line = call.result(base::SystemClock().now() + kStatsTime).value_or(json("")).get<std::string>();
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t end = std::min(line.find('\0', begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  // Its own name; and, of a child of the daemon, which one it is and its descriptor.
  if (!words.empty()) words.erase(words.begin());
  if (words.size() > 1 && words.front().starts_with("--role=")) words.erase(words.begin(), words.begin() + 2);
  return words;
}

Result<config::Config> config_of(const std::vector<std::string>& flags) {
  std::vector<const char*> argv = {"arenacached"};
  for (const std::string& flag : flags) argv.push_back(flag.c_str());
  AC_ASSIGN(config::CommandLine line, config::parse_command_line(static_cast<int>(argv.size()), argv.data()));
  return std::move(line.config);
}

void find_config(const GatherOptions& options, Surroundings& around, MachineFacts& facts) {
  const std::vector<std::string> flags =
      options.config_file.empty() ? flags_of(around.daemon_pid) : std::vector<std::string>{};
  facts.config_file = options.config_file.empty() ? kConfigFile : options.config_file;
  if (flags.empty() && options.config_file.empty() && (facts.daemon || ::access(kConfigFile, F_OK) != 0)) return;
  auto loaded = flags.empty() ? config::load_file(facts.config_file) : config_of(flags);
  if (loaded) {
    facts.config_file = loaded->file;
    if (auto valid = config::validate(*loaded); !valid) facts.config_mistake = valid.error().what;
    around.config = std::move(*loaded);
    facts.has_config = true;
  } else if (loaded.error().errno_value != EACCES) {
    facts.config_mistake = loaded.error().what;
  }
}

/// The daemon's word on mounts where it has one, else the config's.
void find_sources(const json& stats, const Surroundings& around, MachineFacts& facts) {
  for (const json& mount : stats.value("mounts", json::array())) facts.sources.push_back(source_facts(mount));
  if (!facts.sources.empty()) return;
  for (const config::MountConfig& mount : around.config.mounts) {
    facts.sources.push_back({.name = mount.name, .path = mount.source, .mountpoint = mount.mountpoint});
  }
}

}  // namespace

MachineFacts gather_facts(const GatherOptions& options) {
  MachineFacts facts{.own_version = ARENACACHE_VERSION, .patience = options.patience, .socket = options.socket};
  Surroundings around;
  json stats = json::object();
  if (auto answer = ask_stats(options.socket, options.patience)) {
    stats = std::move(*answer);
    facts.daemon = daemon_facts(stats);
  } else {
    facts.why_no_daemon = answer.error().what;
    facts.is_daemon_silent = answer.error().kind == base::ErrorKind::timeout;
  }
  if (facts.daemon || facts.is_daemon_silent) around.daemon_pid = listener_of(options.socket);
  facts.is_root = ::geteuid() == 0;
  around.rows = parse_mount_rows(read_proc_file("/proc/self/mountinfo"));
  find_config(options, around, facts);
  find_sources(stats, around, facts);
  gather_system(around, facts);
  gather_disks(around, facts);
  gather_mounts(around, facts);
  return facts;
}

}  // namespace arenacache::cli
