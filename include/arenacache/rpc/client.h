// SPDX-License-Identifier: Apache-2.0
// Client: asks a Server, one call at a time.
// Promises: no call takes longer than its timeout; errors are sentences for the person at the terminal.
// Threads: one at a time. Never: retries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/rpc/framing.h"

namespace arenacache::rpc {

class Client {
 public:
  /// ErrorKind::origin when nobody answers at `socket_path` or the caller may not ask there, timeout when it takes too long.
  static base::Result<Client> connect(const std::string& socket_path, base::Duration timeout);

  /// The method's result. The daemon's own error keeps its sentence and kind; ErrorKind::timeout when no answer came in time,
  /// origin when the daemon went away. After an error that is not the daemon's own the client is of no more use.
  base::Result<nlohmann::json> call(std::string_view method, const nlohmann::json& params, base::Duration timeout);

 private:
  Client(base::UniqueFd fd, std::string socket_path);
  base::Result<void> send(std::string_view line, base::TimePoint deadline);
  base::Result<std::string> receive(base::TimePoint deadline);
  base::Result<void> wait_for(short events, base::TimePoint deadline);

  base::UniqueFd fd_;
  std::string socket_path_;
  LineBuffer input_;
  std::uint64_t last_id_ = 0;
};

}  // namespace arenacache::rpc
