// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/units.h"
#include "commands.h"
#include "doctor_checks.h"
#include "facts_gatherer.h"

namespace arenacache::cli {

using base::Result;
using nlohmann::json;

namespace {

constexpr std::size_t kVerdictColumns = 6;
constexpr std::size_t kCheckColumns = 14;

Colour colour_of(Verdict verdict) {
  if (verdict == Verdict::ok) return Colour::green;
  return verdict == Verdict::warn ? Colour::yellow : Colour::red;
}

std::string padded(std::string_view word, std::size_t columns) {
  std::string out(word);
  out.resize(std::max(columns, out.size()), ' ');
  return out;
}

json finding_answer(const Finding& finding) {
  std::string verdict(word_of(finding.verdict));
  std::ranges::transform(verdict, verdict.begin(), [](char c) { return static_cast<char>(c - 'A' + 'a'); });
  return {{"check", finding.check}, {"verdict", verdict}, {"what", finding.what}, {"remedy", finding.remedy}};
}

}  // namespace

std::string doctor_view(const std::vector<Finding>& findings, Style style) {
  std::string out;
  for (const Finding& finding : findings) {
    out += painted(padded(word_of(finding.verdict), kVerdictColumns), colour_of(finding.verdict), style);
    out += padded(finding.check, kCheckColumns) + printable(finding.what) + "\n";
    for (const std::string& line : finding.remedy) {
      out += std::string(kVerdictColumns + kCheckColumns, ' ') + printable(line) + "\n";
    }
  }
  return out;
}

Result<int> run_doctor(const Arguments& arguments, Console& console) {
  AC_ASSIGN(const std::chrono::nanoseconds patience, base::parse_duration(arguments.patience));
  const std::vector<Finding> findings =
      check_all(gather_facts({.socket = arguments.socket, .config_file = arguments.config_file, .patience = patience}));
  const bool is_well = std::ranges::none_of(findings, [](const Finding& one) { return one.verdict == Verdict::fail; });
  if (arguments.wants_json) {
    json answer = {{"ok", is_well}, {"findings", json::array()}};
    for (const Finding& finding : findings) answer["findings"].push_back(finding_answer(finding));
    console.out << answer.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
  } else {
    console.out << doctor_view(findings, console.style);
  }
  return is_well ? kExitSuccess : kExitFailure;
}

}  // namespace arenacache::cli
