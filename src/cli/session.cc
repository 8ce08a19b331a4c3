// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <chrono>
#include <filesystem>
#include <system_error>

#include <nlohmann/json.hpp>

#include "paths.h"

namespace arenacache::cli {

using base::Result;
using nlohmann::json;

namespace {

constexpr auto kConnectTimeout = std::chrono::seconds(5);
constexpr auto kCallTimeout = std::chrono::seconds(60);

}  // namespace

Result<json> Session::call(std::string_view method, const json& params) {
  if (!client_) {
    AC_ASSIGN(client_, rpc::Client::connect(socket_path_, kConnectTimeout));
  }
  return client_->call(method, params, kCallTimeout);
}

Result<std::vector<std::string>> Session::place(const std::vector<std::string>& paths) {
  AC_ASSIGN(const json answer, call("mounts", json::object()));
  std::vector<MountPlace> places;
  for (const json& mount : answer.at("mounts")) {
    places.push_back({.source = mount.at("source"), .mountpoint = mount.at("mountpoint")});
  }
  std::error_code error;
  const std::string cwd = std::filesystem::current_path(error).native();
  std::vector<std::string> out;
  out.reserve(paths.size());
  for (const std::string& path : paths) out.push_back(error ? path : path_to_send(path, cwd, places));
  return out;
}

}  // namespace arenacache::cli
