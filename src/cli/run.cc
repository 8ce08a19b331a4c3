// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <exception>

#include <nlohmann/json.hpp>

#include "arguments.h"
#include "commands.h"
#include "defaults.h"
#include "session.h"
#include "style.h"

namespace arenacache::cli {

namespace {

int fail_with(std::ostream& err, std::string_view sentence) {
  err << "arenacache: " << printable(sentence) << "\n";
  return kExitFailure;
}

}  // namespace

int run(int argc, const char* const* argv, std::ostream& out, std::ostream& err, bool is_terminal) try {
  ParsedArguments parsed = parse_arguments(argc, argv, out, err);
  if (!parsed.arguments) return parsed.exit_code;
  fill_in_defaults(*parsed.arguments);
  Session session(parsed.arguments->socket);
  Console console{.out = out, .err = err, .style = style_for(is_terminal), .is_terminal = is_terminal};
  const base::Result<int> code = run_command(*parsed.arguments, session, console);
  return code ? *code : fail_with(err, code.error().what);
} catch (const nlohmann::json::exception&) {
  return fail_with(err, "the daemon's answer is not understood: are arenacache and arenacached of one version?");
} catch (const std::exception& exception) {
  return fail_with(err, exception.what());
}

}  // namespace arenacache::cli
