// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

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

constexpr auto kAskScrubEvery = std::chrono::milliseconds(300);

bool is_checking(const json& scrub) { return scrub.at("state") == "checking"; }

Progress scrub_progress_of(const json& scrub) {
  return {.done_files = scrub.at("files").value("checked", std::uint64_t{0}),
          .total_files = scrub.at("files").value("total", std::uint64_t{0}),
          .cached_bytes = scrub.at("bytes").value("checked", std::uint64_t{0}),
          .total_bytes = scrub.at("bytes").value("total", std::uint64_t{0})};
}

/// Asks until the pass is over; one that began after it says nothing of it, but is over everything, too.
Result<json> follow_scrub(json scrub, Session& session, ProgressView* view) {
  while (is_checking(scrub)) {
    if (view != nullptr && scrub_progress_of(scrub).total_files > 0) view->show(scrub_progress_of(scrub));
    std::this_thread::sleep_for(kAskScrubEvery);
    AC_ASSIGN(scrub, session.call("scrub_progress", json::object()));
  }
  if (view != nullptr && scrub_progress_of(scrub).total_files > 0) view->show(scrub_progress_of(scrub));
  return scrub;
}

std::string ended_sentence(const json& scrub, base::Duration took) {
  const Progress progress = scrub_progress_of(scrub);
  const auto bad = scrub.value("bad_blocks", std::uint64_t{0});
  return text("Checked ", format_number(progress.done_files, "file"), ", ", base::format_size(progress.cached_bytes),
              ", in ", base::format_duration(took), ": ",
              bad == 0 ? "all is well"
                       : format_number(bad, "damaged block") + ", dropped, to be fetched from the source again");
}

/// One remark for each damaged file. True: there was none, and all was checked.
bool report_damage(const json& scrub, Console& console) {
  const json damaged = scrub.value("damaged", json::array());
  for (const json& one : damaged) {
    console.err << printable(text("arenacache: ", one.value("path", ""), ": ",
                                  format_number(one.value("blocks", std::uint64_t{0}), "damaged block"), ": ",
                                  one.value("reason", "")))
                << "\n";
  }
  const auto failure = scrub.value("failure", "");
  if (!failure.empty()) console.err << printable(text("arenacache: the check ended early: ", failure)) << "\n";
  return failure.empty() && scrub.value("bad_blocks", std::uint64_t{0}) == 0;
}

}  // namespace

Result<int> run_scrub(const Arguments& arguments, Session& session, Console& console) {
  const base::SystemClock clock;
  const base::TimePoint began = clock.now();
  AC_ASSIGN(json scrub, session.call("scrub", json::object()));
  if (arguments.waits) {
    ProgressView view(console);
    Result<json> ended = follow_scrub(std::move(scrub), session, arguments.wants_json ? nullptr : &view);
    if (!arguments.wants_json) view.end();
    AC_ASSIGN(scrub, std::move(ended));
  }
  if (arguments.wants_json) {
    console.out << scrub.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
  } else if (arguments.waits) {
    console.out << ended_sentence(scrub, clock.now() - began) << "\n";
  } else {
    console.out << "Checking what is in the store; `arenacache stats` tells how far it is.\n";
  }
  if (!arguments.waits) return kExitSuccess;
  return report_damage(scrub, console) ? kExitSuccess : kExitFailure;
}

}  // namespace arenacache::cli
