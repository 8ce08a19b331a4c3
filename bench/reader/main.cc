// SPDX-License-Identifier: Apache-2.0
// bench_reader: does one work on files and prints bytes, seconds and latencies as one line of JSON, so that every subject is
// measured by the same code. Started by bench/run.
#include <cstdio>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "arenacache/base/text.h"
#include "options.h"
#include "outcome.h"
#include "works.h"

namespace arenacache::bench {
namespace {

using Work = std::function<base::Result<Outcome>(const Options&)>;

const std::map<std::string, Work>& works() {
  static const std::map<std::string, Work> table{
      {"read", read_in_order},
      {"write", write_in_order},
      {"mmap-in-order", [](const Options& o) { return read_mapped(o, Order::file, Faults::by_kernel); }},
      {"mmap-shuffled", [](const Options& o) { return read_mapped(o, Order::shuffled, Faults::by_kernel); }},
      {"mmap-single-pages", [](const Options& o) { return read_mapped(o, Order::shuffled, Faults::single_pages); }},
      {"random", read_at_random},
      {"again", read_again},
      {"open", [](const Options& o) { return open_and_look(o, Look::nothing); }},
      {"open-header", [](const Options& o) { return open_and_look(o, Look::header); }},
      {"first-byte", [](const Options& o) { return open_and_look(o, Look::first_block); }},
      {"resident", [](const Options&) { return resident(); }},
  };
  return table;
}

base::Result<Outcome> measure(const Options& options) {
  const auto work = works().find(options.work);
  if (work == works().end()) return base::fail(base::ErrorKind::invalid, 0, base::text("no work named ", options.work));
  if (options.files.empty() && options.work != "resident") {
    return base::fail(base::ErrorKind::invalid, 0, "no files are named");
  }
  for (std::uint64_t i = 0; i < options.warmups; ++i) AC_TRY(work->second(options));
  // read_again() makes its passes itself, on one open file.
  const std::uint64_t passes = options.work == "again" ? 1 : options.passes;
  Outcome total;
  for (std::uint64_t i = 0; i < passes; ++i) {
    AC_ASSIGN(const Outcome outcome, work->second(options));
    total.add(outcome);
  }
  return total;
}

int run(std::span<char*> arguments) {
  const auto options = parse_options(arguments);
  const auto outcome = options ? measure(*options) : base::Result<Outcome>(std::unexpected(options.error()));
  if (!outcome) {
    std::fprintf(stderr, "bench_reader: %s\n", outcome.error().what.c_str());
    return options ? 1 : 2;
  }
  std::puts(to_json(*outcome).c_str());
  return 0;
}

}  // namespace
}  // namespace arenacache::bench

int main(int argc, char** argv) { return arenacache::bench::run({argv, static_cast<std::size_t>(argc)}); }
