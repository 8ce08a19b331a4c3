// SPDX-License-Identifier: Apache-2.0
// Commands: what each subcommand asks of the daemon and tells the person.
// Promises: an Error is one sentence for stderr and exit code 1; results go to `out`, remarks to `err`.
// Threads: one.
#pragma once

#include <ostream>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/base/result.h"
#include "arguments.h"
#include "session.h"
#include "style.h"

namespace arenacache::cli {

/// Where a command's words go, and how they may look.
struct Console {
  std::ostream& out;
  std::ostream& err;
  Style style;
  bool is_terminal = false;
};

/// What --json prints: `value` over several lines.
void print_json(const nlohmann::json& value, Console& console);

/// Runs `arguments.command`; the exit code.
base::Result<int> run_command(const Arguments& arguments, Session& session, Console& console);

/// `prefetch`: starts the fills, tells what was started; with --wait shows progress until the last has ended.
base::Result<int> run_prefetch(const Arguments& arguments, Session& session, Console& console);

/// `pack`, `unpack`, `tier move`: the same with what these do.
base::Result<int> run_tier_task(const Arguments& arguments, Session& session, Console& console);

/// `estimate`: a line a file, and the sum; shows progress on a terminal meanwhile.
base::Result<int> run_estimate(const Arguments& arguments, Session& session, Console& console);

/// `restart`: has the daemon's working process replaced, and waits until the next one answers. Programs notice nothing.
base::Result<int> run_restart(const Arguments& arguments, Session& session, Console& console);
/// `scrub`: begins a check of all that is stored; with --wait shows progress, and tells what was damaged.
base::Result<int> run_scrub(const Arguments& arguments, Session& session, Console& console);

/// `rebuild`: sets the index of a stopped daemon's store aside, so that the next start rebuilds it.
base::Result<int> run_rebuild(const std::string& store, Console& console);

/// `doctor`: a line for each check; kExitFailure when one fails. Works without a daemon.
base::Result<int> run_doctor(const Arguments& arguments, Console& console);

}  // namespace arenacache::cli
