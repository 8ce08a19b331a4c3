// SPDX-License-Identifier: Apache-2.0
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

bool is_looking(const json& job) { return job.at("state") == "looking"; }
bool is_done(const json& job) { return job.at("state") == "done"; }

Progress progress_of(const json& job) {
  const json& files = job.at("files");
  return {.done_files = files.value("done", std::uint64_t{0}) + files.value("failed", std::uint64_t{0}) +
                        files.value("skipped", std::uint64_t{0}),
          .total_files = files.value("total", std::uint64_t{0}),
          .cached_bytes = job.at("bytes").value("cached", std::uint64_t{0}),
          .total_bytes = job.at("bytes").value("total", std::uint64_t{0})};
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

/// One remark for each file that will not be in the store. True: there was none.
bool report_failures(const json& job, Console& console) {
  const json failures = job.value("failures", json::array());
  for (const json& failure : failures) {
    console.err << printable(
                       text("arenacache: ", failure.value("path", ""), ": ", failure.value("reason", "not copied")))
                << "\n";
  }
  const std::uint64_t count =
      job.at("files").value("failed", std::uint64_t{0}) + job.at("files").value("skipped", std::uint64_t{0});
  if (count > failures.size())
    console.err << "arenacache: and " << format_number(count - failures.size(), "more file") << "\n";
  return count == 0;
}

std::string started_sentence(const Progress& progress) {
  const std::uint64_t left = progress.total_bytes - std::min(progress.cached_bytes, progress.total_bytes);
  if (left == 0)
    return text("All in the store: ", format_number(progress.total_files, "file"), ", ",
                base::format_size(progress.total_bytes));
  return text("Copying ", format_number(progress.total_files, "file"), ", ", base::format_size(progress.total_bytes),
              " (", base::format_size(progress.cached_bytes), " in the store already)");
}

std::string ended_sentence(const Progress& progress, base::Duration took) {
  return text("In the store: ", format_number(progress.total_files, "file"), ", ",
              base::format_size(progress.cached_bytes), ", in ", base::format_duration(took));
}

}  // namespace

Result<int> run_prefetch(const Arguments& arguments, Session& session, Console& console) {
  const base::SystemClock clock;
  const base::TimePoint began = clock.now();
  AC_ASSIGN(const std::vector<std::string> placed, session.place(arguments.paths));
  AC_ASSIGN(json job, session.call("prefetch", {{"paths", placed}, {"ram", arguments.to_ram}}));
  if (arguments.waits) {
    ProgressView view(console);
    Result<json> ended = follow(std::move(job), session, is_done, arguments.wants_json ? nullptr : &view);
    if (!arguments.wants_json) view.end();
    AC_ASSIGN(job, std::move(ended));
  } else {
    AC_ASSIGN(job, follow(std::move(job), session, [](const json& now) { return !is_looking(now); }, nullptr));
  }
  if (arguments.wants_json) {
    console.out << job.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
  } else {
    const Progress progress = progress_of(job);
    console.out << (arguments.waits ? ended_sentence(progress, clock.now() - began) : started_sentence(progress))
                << "\n";
  }
  return report_failures(job, console) ? kExitSuccess : kExitFailure;
}

}  // namespace arenacache::cli
