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

json job(const char* state, std::uint64_t done, std::uint64_t done_mib) {
  return {{"job", 7},
          {"state", state},
          {"files", {{"total", 2}, {"done", done}, {"failed", 0}, {"skipped", 0}}},
          {"bytes", {{"total", 100 * kMiB}, {"done", done_mib * kMiB}}},
          {"failures", json::array()}};
}

TEST(Tiers, PackTellsWhatItBegan) {
  FakeDaemon daemon;
  daemon.answer("pack", {job("packing", 0, 25)});
  const CliRun run = daemon.run({"pack", "a", "b"});
  EXPECT_EQ(run.exit_code, kExitSuccess);
  EXPECT_EQ(run.out, "Packing 2 files, 100.0 MiB (25.0 MiB done already)\n");
  EXPECT_EQ(daemon.requests().at(0).params, (json{{"paths", {"a", "b"}}}));
}

TEST(Tiers, UnpackWaitsAndShowsHowFarItIs) {
  FakeDaemon daemon;
  daemon.answer("unpack", {job("unpacking", 0, 0)});
  daemon.answer("progress", {job("unpacking", 1, 55), job("done", 2, 100)});
  const CliRun run = daemon.run({"unpack", "--wait", "a"});
  EXPECT_TRUE(
      run.out.starts_with("0 %, 0 B of 100.0 MiB, 0 of 2 files\n"
                          "50 %, 55.0 MiB of 100.0 MiB, 1 of 2 files\n"
                          "100 %, 100.0 MiB of 100.0 MiB, 2 of 2 files\n"
                          "Unpacked: 2 files, 100.0 MiB, in "))
      << run.out;
}

TEST(Tiers, MoveNamesTheTier) {
  FakeDaemon daemon;
  daemon.answer("tier_move", {job("done", 2, 100)});
  EXPECT_EQ(daemon.run({"tier", "move", "hdd", "a"}).out, "All in hdd: 2 files, 100.0 MiB\n");
  EXPECT_EQ(daemon.requests().at(0).params, (json{{"paths", {"a"}}, {"tier", "hdd"}}));
}

TEST(Tiers, ARefusalIsASentence) {
  FakeDaemon daemon;
  daemon.answer("tier_move", {fail(ErrorKind::invalid, EINVAL, "there is no tier \"x\": there are raw, ssd")});
  const CliRun run = daemon.run({"tier", "move", "x", "a"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.err, "arenacache: there is no tier \"x\": there are raw, ssd\n");
}

json estimated() {
  json ended = job("done", 2, 100);
  ended["estimates"] = {{{"mount", "models"},
                         {"path", "checkpoints/sdxl.safetensors"},
                         {"size_bytes", 96 * kMiB},
                         {"packed_bytes", 64 * kMiB},
                         {"sampled_bytes", 32 * kMiB},
                         {"types", "BF16 98 %, F32 2 %"}},
                        {{"mount", "models"},
                         {"path", "notes.txt"},
                         {"size_bytes", 4 * kMiB},
                         {"packed_bytes", 1 * kMiB},
                         {"sampled_bytes", 4 * kMiB},
                         {"types", ""}}};
  ended["totals"] = {
      {"files", 2}, {"size_bytes", 100 * kMiB}, {"packed_bytes", 65 * kMiB}, {"sampled_bytes", 36 * kMiB}};
  return ended;
}

TEST(Tiers, EstimateIsATableWithASum) {
  FakeDaemon daemon;
  daemon.answer("estimate", {job("estimating", 0, 0)});
  daemon.answer("progress", {job("estimating", 1, 50), estimated()});
  const CliRun run = daemon.run({"estimate", "."});
  EXPECT_EQ(run.exit_code, kExitSuccess);
  EXPECT_EQ(run.out,
            "    SIZE    PACKED   RATIO  TYPES               PATH\n"
            "96.0 MiB  64.0 MiB  66.6 %  BF16 98 %, F32 2 %  checkpoints/sdxl.safetensors\n"
            " 4.0 MiB   1.0 MiB  25.0 %  -                   notes.txt\n"
            "2 files, 100.0 MiB, packed about 65.0 MiB (65.0 %): 35.0 MiB less\n");
}

TEST(Tiers, EstimateShowsABarOnATerminal) {
  FakeDaemon daemon;
  daemon.answer("estimate", {job("estimating", 1, 50)});
  daemon.answer("progress", {estimated()});
  EXPECT_TRUE(daemon.run({"estimate", "."}, true).out.contains("50 %  50.0 MiB of 100.0 MiB"));
}

TEST(Tiers, EstimateAsJsonIsTheLastStateAlone) {
  FakeDaemon daemon;
  daemon.answer("estimate", {job("estimating", 0, 0)});
  daemon.answer("progress", {estimated()});
  EXPECT_EQ(json::parse(daemon.run({"estimate", "--json", "."}).out), estimated());
}

}  // namespace
}  // namespace arenacache::cli
