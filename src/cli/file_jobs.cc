// SPDX-License-Identifier: Apache-2.0
// The commands that begin something with many files, and follow it: prefetch, pack, unpack, tier move, estimate.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "commands.h"
#include "progress.h"
#include "progress_view.h"
#include "views.h"

namespace arenacache::cli {

using base::Result;
using base::text;
using nlohmann::json;

namespace {

constexpr auto kAskEvery = std::chrono::milliseconds(300);

/// How a job is spoken of.
struct Words {
  std::string begun;       ///< "Copying"
  std::string has_before;  ///< of what was done before: "in the store already"
  std::string all_done;    ///< "All in the store"
  std::string ended;       ///< "In the store"
};

bool is_looking(const json& job) { return job.at("state") == "looking"; }
bool is_done(const json& job) { return job.at("state") == "done"; }

Progress progress_of(const json& job) {
  const json& files = job.at("files");
  const json& bytes = job.at("bytes");
  return {.done_files = files.value("done", std::uint64_t{0}) + files.value("failed", std::uint64_t{0}) +
                        files.value("skipped", std::uint64_t{0}),
          .total_files = files.value("total", std::uint64_t{0}),
          .cached_bytes = bytes.value(bytes.contains("cached") ? "cached" : "done", std::uint64_t{0}),
          .total_bytes = bytes.value("total", std::uint64_t{0})};
}

/// Asks about the job until `is_enough`; shows it meanwhile when there is a view.
template <class Enough>
Result<json> follow(json job, Session& session, Enough is_enough, ProgressView* view) {
  while (true) {
    if (view != nullptr && !is_looking(job)) view->show(progress_of(job));
    if (is_enough(job)) return job;
    std::this_thread::sleep_for(kAskEvery);
    AC_ASSIGN(job, session.call("progress", {{"job", job.at("job")}}));
  }
}

/// Follows the job to its end, with progress where somebody looks.
Result<json> follow_to_end(json job, Session& session, Console& console, bool shows) {
  ProgressView view(console);
  Result<json> ended = follow(std::move(job), session, is_done, shows ? &view : nullptr);
  if (shows) view.end();
  return ended;
}

/// One remark for each file of which nothing came. True: there was none.
bool report_failures(const json& job, Console& console) {
  const json failures = job.value("failures", json::array());
  for (const json& failure : failures) {
    console.err << printable(text("arenacache: ", failure.value("path", ""), ": ", failure.value("reason", "not done")))
                << "\n";
  }
  const std::uint64_t count =
      job.at("files").value("failed", std::uint64_t{0}) + job.at("files").value("skipped", std::uint64_t{0});
  if (count > failures.size())
    console.err << "arenacache: and " << format_number(count - failures.size(), "more file") << "\n";
  return count == 0;
}

std::string started_sentence(const Words& words, const Progress& progress) {
  const std::uint64_t left = progress.total_bytes - std::min(progress.cached_bytes, progress.total_bytes);
  if (left == 0)
    return text(words.all_done, ": ", format_number(progress.total_files, "file"), ", ",
                base::format_size(progress.total_bytes));
  return text(words.begun, " ", format_number(progress.total_files, "file"), ", ",
              base::format_size(progress.total_bytes), " (", base::format_size(progress.cached_bytes), " ",
              words.has_before, ")");
}

std::string ended_sentence(const Words& words, const Progress& progress, base::Duration took) {
  return text(words.ended, ": ", format_number(progress.total_files, "file"), ", ",
              base::format_size(progress.cached_bytes), ", in ", base::format_duration(took));
}

Words words_of(const Arguments& arguments) {
  switch (arguments.command) {
    case Command::pack:
      return {.begun = "Packing", .has_before = "done already", .all_done = "All packed", .ended = "Packed"};
    case Command::unpack:
      return {.begun = "Unpacking", .has_before = "done already", .all_done = "All unpacked", .ended = "Unpacked"};
    case Command::tier_move: {
      const std::string& tier = arguments.tier;
      return {.begun = text("Moving to ", tier, ":"),
              .has_before = "there already",
              .all_done = text("All in ", tier),
              .ended = text("In ", tier)};
    }
    default:
      return {.begun = "Copying",
              .has_before = "in the store already",
              .all_done = "All in the store",
              .ended = "In the store"};
  }
}

/// Begins a job and tells of it; with --wait once it has ended.
Result<int> run_job(const char* method, const json& params, const Arguments& arguments, Session& session,
                    Console& console) {
  const base::SystemClock clock;
  const base::TimePoint began = clock.now();
  AC_ASSIGN(json job, session.call(method, params));
  if (arguments.waits) {
    AC_ASSIGN(job, follow_to_end(std::move(job), session, console, !arguments.wants_json));
  } else {
    AC_ASSIGN(job, follow(std::move(job), session, [](const json& now) { return !is_looking(now); }, nullptr));
  }
  const Progress progress = progress_of(job);
  if (arguments.wants_json) {
    print_json(job, console);
  } else if (arguments.waits) {
    console.out << ended_sentence(words_of(arguments), progress, clock.now() - began) << "\n";
  } else {
    console.out << started_sentence(words_of(arguments), progress) << "\n";
  }
  return report_failures(job, console) ? kExitSuccess : kExitFailure;
}

}  // namespace

Result<int> run_prefetch(const Arguments& arguments, Session& session, Console& console) {
  AC_ASSIGN(const std::vector<std::string> placed, session.place(arguments.paths));
  return run_job("prefetch", {{"paths", placed}, {"ram", arguments.to_ram}}, arguments, session, console);
}

Result<int> run_tier_task(const Arguments& arguments, Session& session, Console& console) {
  AC_ASSIGN(const std::vector<std::string> placed, session.place(arguments.paths));
  const json params = {{"paths", placed}};
  if (arguments.command == Command::pack) return run_job("pack", params, arguments, session, console);
  if (arguments.command == Command::unpack) return run_job("unpack", params, arguments, session, console);
  return run_job("tier_move", {{"paths", placed}, {"tier", arguments.tier}}, arguments, session, console);
}

Result<int> run_estimate(const Arguments& arguments, Session& session, Console& console) {
  AC_ASSIGN(const std::vector<std::string> placed, session.place(arguments.paths));
  AC_ASSIGN(json job, session.call("estimate", {{"paths", placed}}));
  // Lines of progress would stand in front of the table.
  AC_ASSIGN(job, follow_to_end(std::move(job), session, console, console.is_terminal && !arguments.wants_json));
  if (arguments.wants_json) {
    print_json(job, console);
  } else {
    console.out << estimate_view(job, console.style);
  }
  return report_failures(job, console) ? kExitSuccess : kExitFailure;
}

}  // namespace arenacache::cli
