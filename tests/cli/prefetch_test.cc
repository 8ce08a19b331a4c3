// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "arguments.h"
#include "fake_daemon.h"

namespace arenacache::cli {
namespace {

using base::ErrorKind;
using base::fail;
using nlohmann::json;
using test::CliRun;
using test::FakeDaemon;

constexpr std::uint64_t kMiB = 1024 * 1024;

json job(const char* state, std::uint64_t done, std::uint64_t cached_mib) {
  return {{"job", 7},
          {"state", state},
          {"files", {{"total", 2}, {"done", done}, {"failed", 0}, {"skipped", 0}}},
          {"bytes", {{"total", 100 * kMiB}, {"cached", cached_mib * kMiB}}},
          {"failures", json::array()}};
}

TEST(Prefetch, TellsWhatItStartedOnceTheFilesAreFound) {
  FakeDaemon daemon;
  daemon.answer("prefetch", {job("looking", 0, 0)});
  daemon.answer("progress", {job("filling", 0, 25)});
  const CliRun run = daemon.run({"prefetch", "a", "b"});
  EXPECT_EQ(run.exit_code, kExitSuccess);
  EXPECT_EQ(run.out, "Copying 2 files, 100.0 MiB (25.0 MiB in the store already)\n");
  EXPECT_EQ(daemon.requests().at(0).params, (json{{"paths", {"a", "b"}}, {"ram", false}}));
  EXPECT_EQ(daemon.requests().at(1).params, (json{{"job", 7}}));
}

TEST(Prefetch, SaysThatAllIsThereAlready) {
  FakeDaemon daemon;
  daemon.answer("prefetch", {job("done", 2, 100)});
  EXPECT_EQ(daemon.run({"prefetch", "a"}).out, "All in the store: 2 files, 100.0 MiB\n");
}

TEST(Prefetch, WaitsAndShowsPlainLinesWhereThereIsNoTerminal) {
  FakeDaemon daemon;
  daemon.answer("prefetch", {job("filling", 0, 0)});
  daemon.answer("progress", {job("filling", 1, 55), job("filling", 1, 57), job("done", 2, 100)});
  const CliRun run = daemon.run({"prefetch", "--wait", "a"});
  EXPECT_EQ(run.exit_code, kExitSuccess);
  EXPECT_TRUE(
      run.out.starts_with("0 %, 0 B of 100.0 MiB, 0 of 2 files\n"
                          "50 %, 55.0 MiB of 100.0 MiB, 1 of 2 files\n"
                          "100 %, 100.0 MiB of 100.0 MiB, 2 of 2 files\n"
                          "In the store: 2 files, 100.0 MiB, in "))
      << run.out;
}

TEST(Prefetch, ShowsABarOnATerminal) {
  FakeDaemon daemon;
  daemon.answer("prefetch", {job("filling", 0, 50)});
  daemon.answer("progress", {job("done", 2, 100)});
  const CliRun run = daemon.run({"prefetch", "--wait", "a"}, true);
  EXPECT_TRUE(run.out.contains("\r\033[K")) << run.out;
  EXPECT_TRUE(run.out.contains("50 %  50.0 MiB of 100.0 MiB")) << run.out;
}

TEST(Prefetch, FilesThatWereNotCopiedAreAFailure) {
  FakeDaemon daemon;
  json ended = job("done", 0, 0);
  ended["files"] = {{"total", 3}, {"done", 0}, {"failed", 2}, {"skipped", 1}};
  ended["failures"] = {{{"path", "a"}, {"state", "failed"}, {"reason", "Input/output error"}},
                       {{"path", "b"}, {"state", "skipped"}, {"reason", "larger than the store"}}};
  daemon.answer("prefetch", {ended});
  const CliRun run = daemon.run({"prefetch", "--wait", "a"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.err,
            "arenacache: a: Input/output error\narenacache: b: larger than the store\narenacache: and 1 more file\n");
}

TEST(Prefetch, APathThatIsNowhereIsASentence) {
  FakeDaemon daemon;
  daemon.answer("prefetch", {fail(ErrorKind::invalid, ENOENT, "there is no a")});
  const CliRun run = daemon.run({"prefetch", "--wait", "a"}, true);
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.err, "arenacache: there is no a\n");
}

TEST(Prefetch, JsonIsTheLastStateAlone) {
  FakeDaemon daemon;
  daemon.answer("prefetch", {job("filling", 0, 0)});
  daemon.answer("progress", {job("done", 2, 100)});
  EXPECT_EQ(json::parse(daemon.run({"prefetch", "--wait", "--json", "a"}).out), job("done", 2, 100));
}

}  // namespace
}  // namespace arenacache::cli
