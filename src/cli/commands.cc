// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "views.h"

namespace arenacache::cli {

using base::Result;
using base::text;
using nlohmann::json;

namespace {

std::int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(base::SystemClock().wall_now().time_since_epoch()).count();
}

Result<int> run_stats(const Arguments& arguments, Session& session, Console& console) {
  AC_ASSIGN(const json stats, session.call("stats", json::object()));
  if (arguments.wants_json) {
    print_json(stats, console);
  } else {
    console.out << stats_view(stats, console.style);
  }
  return kExitSuccess;
}

/// All of `ls`, page by page.
Result<json> list_objects(const Arguments& arguments, Session& session) {
  json params = json::object();
  if (!arguments.paths.empty()) {
    AC_ASSIGN(const std::vector<std::string> placed, session.place(arguments.paths));
    params["path"] = placed.front();
  }
  json objects = json::array();
  while (true) {
    AC_ASSIGN(json page, session.call("ls", params));
    for (json& object : page.at("objects")) objects.push_back(std::move(object));
    if (!page.contains("next") || page["next"].is_null()) return objects;
    params["after"] = page["next"];
  }
}

Result<int> run_ls(const Arguments& arguments, Session& session, Console& console) {
  AC_ASSIGN(const json objects, list_objects(arguments, session));
  if (arguments.wants_json) {
    print_json({{"objects", objects}}, console);
  } else {
    console.out << ls_view(objects, now_s(), console.style);
  }
  return kExitSuccess;
}

Result<json> call_with_paths(std::string_view method, const Arguments& arguments, Session& session) {
  AC_ASSIGN(const std::vector<std::string> placed, session.place(arguments.paths));
  return session.call(method, {{"paths", placed}});
}

Result<int> run_pin(const Arguments& arguments, Session& session, Console& console) {
  const bool pins = arguments.command == Command::pin;
  AC_ASSIGN(const json answer, call_with_paths(pins ? "pin" : "unpin", arguments, session));
  if (arguments.wants_json) {
    print_json(answer, console);
    return kExitSuccess;
  }
  for (const json& one : answer.at("paths")) {
    const auto path = one.at("path").get<std::string>();
    console.out << printable(text(pins ? "Pinned " : "Unpinned ",
                                  path.empty() ? "all of " + one.at("mount").get<std::string>() : path))
                << "\n";
  }
  if (answer.at("paths").empty()) console.out << "Nothing of that is pinned.\n";
  return kExitSuccess;
}

Result<int> run_evict(const Arguments& arguments, Session& session, Console& console) {
  AC_ASSIGN(const json answer, call_with_paths("evict", arguments, session));
  if (arguments.wants_json) {
    print_json(answer, console);
  } else {
    console.out << "Evicted " << format_number(answer.at("objects").get<std::uint64_t>(), "file") << ", "
                << base::format_size(answer.at("bytes").get<std::uint64_t>()) << ".\n";
    const auto pinned = answer.value("pinned", std::uint64_t{0});
    if (pinned > 0)
      console.out << format_number(pinned, "pinned file") << (pinned == 1 ? " was" : " were") << " kept.\n";
  }
  return kExitSuccess;
}

Result<int> run_refresh(const Arguments& arguments, Session& session, Console& console) {
  json params = json::object();
  if (!arguments.paths.empty()) {
    AC_ASSIGN(const std::vector<std::string> placed, session.place(arguments.paths));
    params["paths"] = placed;
  }
  AC_ASSIGN(const json answer, session.call("refresh", params));
  if (arguments.wants_json) {
    print_json(answer, console);
  } else {
    console.out << "Forgot the listings of " << format_number(answer.at("folders").get<std::uint64_t>(), "folder")
                << ", and what was known of " << format_number(answer.at("names").get<std::uint64_t>(), "name")
                << ".\n";
  }
  return kExitSuccess;
}

Result<int> run_mode(const Arguments& arguments, Session& session, Console& console) {
  json params = json::object();
  if (!arguments.mode.empty()) params["mode"] = arguments.mode;
  AC_ASSIGN(const json answer, session.call("mode", params));
  if (arguments.wants_json) {
    print_json(answer, console);
  } else {
    console.out << answer.at("mode").get<std::string>() << "\n";
  }
  return kExitSuccess;
}

/// Works without a daemon: its version is "not running" then.
int run_version(const Arguments& arguments, Session& session, Console& console) {
  const Result<json> answer = session.call("version", json::object());
  const json daemon = answer ? answer->value("version", json()) : json();
  if (arguments.wants_json) {
    print_json({{"arenacache", ARENACACHE_VERSION}, {"arenacached", daemon}}, console);
  } else {
    console.out << "arenacache " << ARENACACHE_VERSION << "\narenacached "
                << (daemon.is_string() ? daemon.get<std::string>() : "not running") << "\n";
  }
  return kExitSuccess;
}

}  // namespace

void print_json(const json& value, Console& console) {
  console.out << value.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
}

Result<int> run_command(const Arguments& arguments, Session& session, Console& console) {
  switch (arguments.command) {
    case Command::stats:
      return run_stats(arguments, session, console);
    case Command::ls:
      return run_ls(arguments, session, console);
    case Command::prefetch:
      return run_prefetch(arguments, session, console);
    case Command::pack:
    case Command::unpack:
    case Command::tier_move:
      return run_tier_task(arguments, session, console);
    case Command::estimate:
      return run_estimate(arguments, session, console);
    case Command::pin:
    case Command::unpin:
      return run_pin(arguments, session, console);
    case Command::evict:
      return run_evict(arguments, session, console);
    case Command::refresh:
      return run_refresh(arguments, session, console);
    case Command::mode:
      return run_mode(arguments, session, console);
    case Command::restart:
      return run_restart(arguments, session, console);
    case Command::scrub:
      return run_scrub(arguments, session, console);
    case Command::rebuild:
      return run_rebuild(arguments.store, console);
    case Command::doctor:
      return run_doctor(arguments, console);
    case Command::version:
      return run_version(arguments, session, console);
  }
  return kExitUsage;
}

}  // namespace arenacache::cli
