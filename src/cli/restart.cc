// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <cstdint>

#include <nlohmann/json.hpp>

#include "arenacache/base/text.h"
#include "commands.h"

namespace arenacache::cli {

using base::ErrorKind;
using base::Result;
using base::text;
using nlohmann::json;

namespace {

/// The daemon gives up after 30 s, and unmounts.
constexpr auto kRestartPatience = std::chrono::seconds(45);
constexpr int kBetweenAsksMs = 20;

}  // namespace

Result<int> run_restart(const Arguments& arguments, Session& session, Console& console) {
  AC_ASSIGN(const json answer, session.call("restart", json::object()));
  const auto before = answer.at("pid").get<std::int64_t>();
  const auto until = std::chrono::steady_clock::now() + kRestartPatience;
  while (std::chrono::steady_clock::now() < until) {
    session.hang_up();
    const Result<json> pong = session.call("ping", json::object());
    const auto now = pong ? pong->value("pid", before) : before;
    if (now != before) {
      if (arguments.wants_json) {
        console.out << json{{"pid_before", before}, {"pid", now}}.dump(2) << "\n";
      } else {
        console.out << "Process " << now << " goes on in the place of " << before << ".\n";
      }
      return kExitSuccess;
    }
    ::poll(nullptr, 0, kBetweenAsksMs);
  }
  return base::fail(ErrorKind::timeout, ETIMEDOUT,
                    text("no other process answers after ", kRestartPatience.count(), " s: see the daemon's log"));
}

}  // namespace arenacache::cli
