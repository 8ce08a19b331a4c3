// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
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
using test::run_cli;

TEST(Run, NoDaemonIsAFailureWithASentence) {
  const test::TempDir dir;
  const CliRun run = run_cli({"stats", "--socket", dir.path("s")});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.err, "arenacache: no daemon answers at " + dir.path("s") + ": is arenacached running?\n");
  EXPECT_EQ(run.out, "");
}

TEST(Run, AMistakeIsAUsageError) { EXPECT_EQ(run_cli({"no-such-command"}).exit_code, kExitUsage); }

TEST(Run, TheSocketComesFromTheEnvironmentToo) {
  const test::TempDir dir;
  ::setenv("ARENACACHE_SOCKET", dir.path("from-environment").c_str(), 1);
  const CliRun run = run_cli({"stats"});
  ::unsetenv("ARENACACHE_SOCKET");
  EXPECT_TRUE(run.err.contains(dir.path("from-environment"))) << run.err;
}

TEST(Run, TheDaemonsSentenceIsShown) {
  FakeDaemon daemon;
  daemon.answer("pin", {fail(ErrorKind::invalid, ENOENT, "there is no x")});
  const CliRun run = daemon.run({"pin", "x"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.err, "arenacache: there is no x\n");
}

TEST(Run, StatsShowsAndPassesJsonThrough) {
  FakeDaemon daemon;
  const json stats = {{"mode", "off"}, {"uptime_s", 5}, {"hit_ratio", nullptr}};
  daemon.answer("stats", {stats});
  EXPECT_TRUE(daemon.run({"stats"}).out.contains("mode off"));
  EXPECT_EQ(json::parse(daemon.run({"stats", "--json"}).out), stats);
}

TEST(Run, AnAnswerOfAnotherVersionIsASentence) {
  FakeDaemon daemon;
  daemon.answer("stats", {json{{"mode", 5}}});
  const CliRun run = daemon.run({"stats"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_TRUE(run.err.contains("is not understood")) << run.err;
}

TEST(Run, LsAsksPageAfterPage) {
  FakeDaemon daemon;
  const json one = {{"path", "a"}, {"mount", "models"}, {"state", "resident"}};
  const json two = {{"path", "b"}, {"mount", "models"}, {"state", "resident"}};
  const json end = {{"mount", "models"}, {"path", "a"}};
  daemon.answer("ls", {json{{"objects", {one}}, {"next", end}}, json{{"objects", {two}}, {"next", nullptr}}});
  const CliRun run = daemon.run({"ls", "--json"});
  EXPECT_EQ(run.exit_code, kExitSuccess);
  EXPECT_EQ(json::parse(run.out), (json{{"objects", {one, two}}}));
  const auto requests = daemon.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].params, json::object());
  EXPECT_EQ(requests[1].params, (json{{"after", end}}));
}

TEST(Run, LsSendsItsPath) {
  FakeDaemon daemon;
  daemon.answer("ls", {json{{"objects", json::array()}, {"next", nullptr}}});
  EXPECT_EQ(daemon.run({"ls", "checkpoints"}).out, "Nothing in the store.\n");
  EXPECT_EQ(daemon.requests().at(0).params.at("path"), "checkpoints");
}

TEST(Run, ALocalPathBecomesAbsolute) {
  FakeDaemon daemon;
  daemon.dir().write_file("mnt/a.bin", "x");
  daemon.set_mount(daemon.dir().path("src"), daemon.dir().path("mnt"));
  daemon.answer("evict", {json{{"objects", 1}, {"bytes", 1048576}, {"pinned", 0}}});
  EXPECT_EQ(daemon.run({"evict", daemon.dir().path("mnt/./a.bin"), "b.bin"}).out, "Evicted 1 file, 1.0 MiB.\n");
  EXPECT_EQ(daemon.requests().at(0).params.at("paths"), (json{daemon.dir().path("mnt/a.bin"), "b.bin"}));
}

TEST(Run, EvictTellsOfPinnedFiles) {
  FakeDaemon daemon;
  daemon.answer("evict", {json{{"objects", 0}, {"bytes", 0}, {"pinned", 2}}});
  EXPECT_EQ(daemon.run({"evict", "a"}).out, "Evicted 0 files, 0 B.\n2 pinned files were kept.\n");
}

TEST(Run, PinAndUnpinNameWhatTheyDid) {
  FakeDaemon daemon;
  const json places = {{"paths", {{{"mount", "models"}, {"path", "a.bin"}}, {{"mount", "models"}, {"path", ""}}}}};
  daemon.answer("pin", {places});
  daemon.answer("unpin", {json{{"paths", json::array()}}});
  EXPECT_EQ(daemon.run({"pin", "a.bin", "b"}).out, "Pinned a.bin\nPinned all of models\n");
  EXPECT_EQ(daemon.run({"unpin", "a.bin"}).out, "Nothing of that is pinned.\n");
  EXPECT_EQ(json::parse(daemon.run({"pin", "a.bin", "--json"}).out), places);
}

TEST(Run, ModeTellsAndSets) {
  FakeDaemon daemon;
  daemon.answer("mode", {json{{"mode", "off"}}});
  EXPECT_EQ(daemon.run({"mode"}).out, "off\n");
  EXPECT_EQ(daemon.run({"mode", "off"}).out, "off\n");
  EXPECT_EQ(daemon.requests().at(0).params, json::object());
  EXPECT_EQ(daemon.requests().at(1).params, (json{{"mode", "off"}}));
}

TEST(Run, VersionWorksWithAndWithoutADaemon) {
  const test::TempDir dir;
  const CliRun alone = run_cli({"version", "--socket", dir.path("s")});
  EXPECT_EQ(alone.exit_code, kExitSuccess);
  EXPECT_TRUE(alone.out.contains("arenacached not running\n")) << alone.out;
  FakeDaemon daemon;
  daemon.answer("version", {json{{"version", "9.9"}}});
  EXPECT_TRUE(daemon.run({"version"}).out.contains("arenacached 9.9\n"));
  EXPECT_EQ(json::parse(daemon.run({"version", "--json"}).out).at("arenacached"), "9.9");
}

TEST(Run, ColourOnlyOnATerminalWithoutNoColor) {
  FakeDaemon daemon;
  daemon.answer("stats", {json{{"mode", "active"}}});
  ::unsetenv("NO_COLOR");
  EXPECT_FALSE(daemon.run({"stats"}).out.contains('\033'));
  EXPECT_TRUE(daemon.run({"stats"}, true).out.contains('\033'));
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(daemon.run({"stats"}, true).out.contains('\033'));
  ::unsetenv("NO_COLOR");
}

}  // namespace
}  // namespace arenacache::cli
