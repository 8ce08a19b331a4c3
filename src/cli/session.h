// SPDX-License-Identifier: Apache-2.0
// Session: one command's talk with the daemon; connects when first asked.
// Promises: bounded waiting; what the daemon cannot place is sent as typed.
// Threads: one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/base/result.h"
#include "arenacache/rpc/client.h"

namespace arenacache::cli {

class Session {
 public:
  explicit Session(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  base::Result<nlohmann::json> call(std::string_view method, const nlohmann::json& params);
  /// The next call goes to whoever listens then.
  void hang_up() { client_.reset(); }
  /// `paths` as the daemon can place them, seen from the process's working folder.
  base::Result<std::vector<std::string>> place(const std::vector<std::string>& paths);

 private:
  std::string socket_path_;
  std::optional<rpc::Client> client_;
};

}  // namespace arenacache::cli
