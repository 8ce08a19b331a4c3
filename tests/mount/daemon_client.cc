// SPDX-License-Identifier: Apache-2.0
#include "mount/daemon_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/unique_fd.h"

namespace arenacache::test {
namespace {

using Json = nlohmann::json;
constexpr auto kPatience = std::chrono::seconds(10);

base::UniqueFd connect_to(const std::string& path) {
  base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return {};
  path.copy(address.sun_path, path.size());
  sockaddr plain{};
  static_assert(sizeof plain <= sizeof address);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

std::string read_line(int fd) {
  std::string out;
  std::array<char, 65536> buffer{};
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (out.empty() || out.back() != '\n') {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd event{.fd = fd, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&event, 1, static_cast<int>(left.count())) <= 0) return {};
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) return {};
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return out;
}

/// The number at `pointer` ("/fills/active"), or 0.
std::uint64_t number(const Json& json, const char* pointer) {
  const Json::json_pointer place(pointer);
  if (!json.contains(place) || !json.at(place).is_number()) return 0;
  return json.at(place).get<std::uint64_t>();
}

std::string word(const Json& json, const char* pointer) {
  const Json::json_pointer place(pointer);
  return json.contains(place) && json.at(place).is_string() ? json.at(place).get<std::string>() : std::string();
}

Json result_of(const std::string& line) {
  const Json answer = Json::parse(line, nullptr, false);
  return answer.is_object() && answer.contains("result") ? answer.at("result") : Json();
}

Stats read_stats(const Json& json) {
  Stats out;
  out.mode = word(json, "/mode");
  out.opens_total = number(json, "/opens/total");
  out.opens_hit = number(json, "/opens/hit");
  out.opens_miss = number(json, "/opens/miss");
  out.opens_passthrough = number(json, "/opens/passthrough");
  out.opens_served = number(json, "/opens/served");
  const nlohmann::json passthrough = json.value("passthrough", nlohmann::json::object());
  out.has_passthrough = passthrough.value("available", false);
  out.no_passthrough_reason = passthrough.value("reason", "");
  out.reads_hit = number(json, "/reads/hit");
  out.reads_miss = number(json, "/reads/miss");
  out.ram_decoded_bytes = number(json, "/ram/decoded_bytes");
  out.open_files = number(json, "/mounts/0/open_files");
  out.origin_calls = number(json, "/mounts/0/origin_calls");
  out.requests = number(json, "/mounts/0/requests");
  out.origin_read_bytes = number(json, "/origin/read_bytes");
  out.origin_read_ops = number(json, "/origin/read_ops");
  out.origin_errors = number(json, "/origin/errors");
  out.lost_threads = number(json, "/origin/lost_threads");
  out.health = word(json, "/mounts/0/origin/health");
  out.capacity_bytes = number(json, "/tiers/0/capacity_bytes");
  out.used_bytes = number(json, "/tiers/0/used_bytes");
  out.doomed_bytes = number(json, "/tiers/0/doomed_bytes");
  out.objects = number(json, "/tiers/0/objects");
  out.resident = number(json, "/tiers/0/resident");
  out.fills_active = number(json, "/fills/active");
  out.fills_queued = number(json, "/fills/queued");
  out.fills_completed = number(json, "/fills/completed");
  out.fills_failed = number(json, "/fills/failed");
  out.fill_bytes = number(json, "/fills/bytes");
  out.evicted_objects = number(json, "/evictions/objects");
  out.evicted_bytes = number(json, "/evictions/bytes");
  out.checksum_errors = number(json, "/checksum_errors");
  out.store_errors = number(json, "/store_errors");
  out.scrub_bad_blocks = number(json, "/scrub/bad_blocks");
  out.text = json.dump(2);
  return out;
}

}  // namespace

std::string DaemonClient::ask(const std::string& method, const std::string& params) const {
  const base::UniqueFd fd = connect_to(socket_path_);
  if (!fd.is_open()) return {};
  const std::string line = R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + params + "}\n";
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t sent = ::send(fd.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (sent <= 0) return {};
    left.remove_prefix(static_cast<std::size_t>(sent));
  }
  return read_line(fd.get());
}

bool DaemonClient::answers() const { return !result_of(ask("ping")).is_null(); }

pid_t DaemonClient::pid() const {
  const Json result = result_of(ask("ping"));
  return result.is_object() ? result.value("pid", -1) : -1;
}

std::optional<Stats> DaemonClient::stats() const {
  const Json result = result_of(ask("stats"));
  if (!result.is_object()) return std::nullopt;
  return read_stats(result);
}

std::vector<Object> DaemonClient::list() const {
  Json result = result_of(ask("ls"));
  if (result.is_object() && result.contains("objects")) result = Json(result.at("objects"));
  std::vector<Object> out;
  for (const auto& entry : result) {
    out.push_back({.path = word(entry, "/path"),
                   .state = word(entry, "/state"),
                   .size_bytes = number(entry, "/size_bytes"),
                   .cached_bytes = number(entry, "/cached_bytes"),
                   .pinned = entry.value("pinned", false)});
  }
  return out;
}

}  // namespace arenacache::test
