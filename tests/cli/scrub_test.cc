// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "arguments.h"
#include "fake_daemon.h"

namespace arenacache::cli {
namespace {

using nlohmann::json;
using test::CliRun;
using test::FakeDaemon;

constexpr std::uint64_t kMiB = 1024 * 1024;

json scrub(const char* state, std::uint64_t files, std::uint64_t checked_mib) {
  return {{"pass", 3},
          {"state", state},
          {"files", {{"total", 2}, {"checked", files}}},
          {"bytes", {{"total", 100 * kMiB}, {"checked", checked_mib * kMiB}}},
          {"bad_blocks", 0},
          {"failure", ""},
          {"damaged", json::array()},
          {"last_finished", nullptr}};
}

TEST(Scrub, BeginsOneAndSaysWhereToLook) {
  FakeDaemon daemon;
  daemon.answer("scrub", {scrub("checking", 0, 0)});
  const CliRun run = daemon.run({"scrub"});
  EXPECT_EQ(run.exit_code, kExitSuccess);
  EXPECT_EQ(run.out, "Checking what is in the store; `arenacache stats` tells how far it is.\n");
  EXPECT_EQ(daemon.requests().size(), 1U);
}

TEST(Scrub, WaitsAndShowsPlainLinesWhereThereIsNoTerminal) {
  FakeDaemon daemon;
  daemon.answer("scrub", {scrub("checking", 0, 0)});
  daemon.answer("scrub_progress", {scrub("checking", 1, 55), scrub("done", 2, 100)});
  const CliRun run = daemon.run({"scrub", "--wait"});
  EXPECT_EQ(run.exit_code, kExitSuccess);
  EXPECT_TRUE(
      run.out.starts_with("0 %, 0 B of 100.0 MiB, 0 of 2 files\n"
                          "50 %, 55.0 MiB of 100.0 MiB, 1 of 2 files\n"
                          "100 %, 100.0 MiB of 100.0 MiB, 2 of 2 files\n"
                          "Checked 2 files, 100.0 MiB, in "))
      << run.out;
  EXPECT_TRUE(run.out.ends_with(": all is well\n")) << run.out;
}

TEST(Scrub, ShowsABarOnATerminal) {
  FakeDaemon daemon;
  daemon.answer("scrub", {scrub("checking", 1, 50)});
  daemon.answer("scrub_progress", {scrub("done", 2, 100)});
  const CliRun run = daemon.run({"scrub", "--wait"}, true);
  EXPECT_TRUE(run.out.contains("50 %  50.0 MiB of 100.0 MiB")) << run.out;
}

TEST(Scrub, DamageIsAFailureThatNamesTheFiles) {
  FakeDaemon daemon;
  json ended = scrub("done", 2, 100);
  ended["bad_blocks"] = 3;
  ended["damaged"] = {{{"mount", "models"}, {"path", "a"}, {"blocks", 3}, {"reason", "checksum"}}};
  daemon.answer("scrub", {ended});
  const CliRun run = daemon.run({"scrub", "--wait"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.err, "arenacache: a: 3 damaged blocks: checksum\n");
  EXPECT_TRUE(run.out.contains(": 3 damaged blocks, dropped, to be fetched from the source again\n")) << run.out;
}

TEST(Scrub, OneThatEndedEarlyIsAFailure) {
  FakeDaemon daemon;
  json ended = scrub("failed", 1, 50);
  ended["failure"] = "the store's disk cannot be read";
  daemon.answer("scrub", {ended});
  const CliRun run = daemon.run({"scrub", "--wait", "--json"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.err, "arenacache: the check ended early: the store's disk cannot be read\n");
  EXPECT_EQ(json::parse(run.out), ended);
}

}  // namespace
}  // namespace arenacache::cli
