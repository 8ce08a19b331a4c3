// SPDX-License-Identifier: Apache-2.0
#include "arenacache/control/control.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "control_rig.h"
#include "support/matchers.h"

namespace arenacache::control {
namespace {

using base::ErrorKind;
using nlohmann::json;
using test::ControlRig;
using test::has_kind;
using test::OriginCall;
using Paths = std::vector<std::string>;

class ControlTest : public testing::Test {
 protected:
  ControlTest() {
    auto& origin = rig_.add_mount("models", "/nas/models", "/home/u/models");
    origin.put_random("checkpoints/a.safetensors", 300'000, 1);
    origin.put_random("checkpoints/b.safetensors", 200'000, 2);
    origin.put_random("loras/c.safetensors", 100'000, 3);
    origin.put_random("loras/[v1].safetensors", 100'000, 4);
    rig_.start();
  }

  ControlRig rig_;
};

TEST_F(ControlTest, AnswersPingVersionAndMounts) {
  EXPECT_EQ(rig_.answer("ping"), (json{{"pong", true}, {"pid", ::getpid()}}));
  EXPECT_EQ(rig_.answer("version").at("version"), "1.2.3");
  EXPECT_EQ(rig_.answer("mounts").at("mounts"),
            json::parse(R"([{"name": "models", "source": "/nas/models", "mountpoint": "/home/u/models"}])"));
}

TEST_F(ControlTest, StatsSpeaksOfTheMount) {
  const json stats = rig_.answer("stats");
  EXPECT_EQ(stats.at("mode"), "active");
  EXPECT_EQ(stats.at("mounts").at(0).at("open_files"), 10);
  EXPECT_EQ(stats.at("tiers").at(0).at("capacity_bytes"), 64U << 20U);
}

TEST_F(ControlTest, ModeIsToldAndSet) {
  EXPECT_EQ(rig_.answer("mode").at("mode"), "active");
  EXPECT_EQ(rig_.answer("mode", {{"mode", "use-only"}}).at("mode"), "use-only");
  EXPECT_EQ(rig_.engine().mode(), config::CacheMode::use_only);
  EXPECT_TRUE(has_kind(rig_.ask("mode", {{"mode", "fast"}}), ErrorKind::invalid));
  EXPECT_TRUE(has_kind(rig_.ask("mode", {{"mode", 5}}), ErrorKind::invalid));
  EXPECT_EQ(rig_.answer("mode").at("mode"), "use-only");
}

TEST_F(ControlTest, LsListsWhatIsStored) {
  EXPECT_EQ(rig_.listed(), Paths{});
  rig_.prefetch({"/home/u/models"});
  EXPECT_EQ(rig_.listed(), (Paths{"checkpoints/a.safetensors", "checkpoints/b.safetensors", "loras/[v1].safetensors",
                                  "loras/c.safetensors"}));
  EXPECT_EQ(rig_.listed({{"path", "loras"}}), (Paths{"loras/[v1].safetensors", "loras/c.safetensors"}));
  EXPECT_EQ(rig_.listed({{"path", "/nas/models/checkpoints/a.safetensors"}}), Paths{"checkpoints/a.safetensors"});
  EXPECT_EQ(rig_.listed({{"path", "loras/[v1].safetensors"}}), Paths{"loras/[v1].safetensors"})
      << "a name is not taken for a pattern";
  EXPECT_EQ(rig_.listed({{"path", "a.*"}}), Paths{"checkpoints/a.safetensors"});
  EXPECT_EQ(rig_.listed({{"path", "/home/u/models/*/c.*"}}), Paths{"loras/c.safetensors"});
  EXPECT_TRUE(has_kind(rig_.ask("ls", {{"path", "no/such"}}), ErrorKind::invalid));
  EXPECT_TRUE(has_kind(rig_.ask("ls", {{"path", "/elsewhere"}}), ErrorKind::invalid));
}

TEST_F(ControlTest, LsTellsWhatIsStoredOfAnObject) {
  rig_.prefetch({"checkpoints/a.safetensors"});
  const json object = rig_.answer("ls").at("objects").at(0);
  EXPECT_EQ(object.at("mount"), "models");
  EXPECT_EQ(object.at("size_bytes"), 300'000);
  EXPECT_EQ(object.at("cached_bytes"), 300'000);
  EXPECT_EQ(object.at("pinned"), false);
}

TEST_F(ControlTest, LsGoesOnWhereAPageEnded) {
  rig_.prefetch({"."});
  Paths seen;
  json params = {{"limit", 3}};
  for (int page = 0; page < 5; ++page) {
    const json answer = rig_.answer("ls", params);
    EXPECT_LE(answer.at("objects").size(), 3U);
    for (const json& object : answer.at("objects")) seen.push_back(object.at("path"));
    if (answer.at("next").is_null()) break;
    params["after"] = answer.at("next");
  }
  EXPECT_EQ(seen, rig_.listed());
  EXPECT_TRUE(has_kind(rig_.ask("ls", {{"limit", -1}}), ErrorKind::invalid));
  EXPECT_TRUE(has_kind(rig_.ask("ls", {{"after", 5}}), ErrorKind::invalid));
}

TEST_F(ControlTest, PinsFilesFoldersAndPatterns) {
  const json pinned = rig_.answer("pin", {{"paths", {"checkpoints", "/nas/models/loras/c.*"}}});
  EXPECT_EQ(pinned.at("paths"), json::parse(R"([{"mount": "models", "path": "checkpoints"},
                                               {"mount": "models", "path": "loras/c.safetensors"}])"));
  rig_.prefetch({"."});
  EXPECT_TRUE(rig_.answer("ls", {{"path", "checkpoints/a.safetensors"}}).at("objects").at(0).at("pinned").get<bool>());
  const auto covered = rig_.ask("unpin", {{"paths", {"checkpoints/a.safetensors"}}});
  ASSERT_TRUE(has_kind(covered, ErrorKind::invalid));
  EXPECT_TRUE(covered.error().what.contains("unpin checkpoints")) << covered.error().what;
  EXPECT_EQ(rig_.answer("unpin", {{"paths", {"/home/u/models"}}}).at("paths").size(), 2U);
  EXPECT_TRUE(rig_.engine().pins().empty());
  EXPECT_TRUE(rig_.answer("unpin", {{"paths", {"loras"}}}).at("paths").empty());
  EXPECT_TRUE(has_kind(rig_.ask("pin", {{"paths", {"checkpoint"}}}), ErrorKind::invalid)) << "it is nowhere";
}

TEST_F(ControlTest, EvictDropsWhatIsNotPinned) {
  rig_.prefetch({"."});
  rig_.answer("pin", {{"paths", {"checkpoints/a.safetensors"}}});
  const json evicted = rig_.answer("evict", {{"paths", {"checkpoints"}}});
  EXPECT_EQ(evicted, (json{{"objects", 1}, {"bytes", 200'000}, {"pinned", 1}}));
  EXPECT_EQ(rig_.listed({{"path", "checkpoints"}}), Paths{"checkpoints/a.safetensors"});
  EXPECT_EQ(rig_.answer("evict", {{"paths", {"*.safetensors"}}}).at("objects"), 2);
  EXPECT_EQ(rig_.answer("evict", {{"paths", {"loras"}}}).at("objects"), 0) << "it exists; nothing of it is stored";
  EXPECT_TRUE(has_kind(rig_.ask("evict", {{"paths", {"nothing"}}}), ErrorKind::invalid));
  EXPECT_TRUE(has_kind(rig_.ask("evict", {{"paths", {""}}}), ErrorKind::invalid)) << "an empty path is not everything";
}

TEST_F(ControlTest, ScrubChecksWhatIsStoredAndTellsOfIt) {
  rig_.prefetch({"checkpoints"});
  EXPECT_TRUE(rig_.answer("stats").at("scrub").at("last_finished").is_null());
  const json begun = rig_.answer("scrub");
  EXPECT_EQ(begun.at("state"), "checking");
  const json ended =
      rig_.ask_until("scrub_progress", json::object(), [](const json& now) { return now.at("state") != "checking"; });
  EXPECT_EQ(ended.at("state"), "done");
  EXPECT_EQ(ended.at("pass"), begun.at("pass"));
  EXPECT_EQ(ended.at("files"), (json{{"total", 2}, {"checked", 2}}));
  EXPECT_EQ(ended.at("bytes"), (json{{"total", 500'000}, {"checked", 500'000}}));
  EXPECT_EQ(ended.at("bad_blocks"), 0);
  EXPECT_EQ(ended.at("damaged"), json::array());
  const json stats = rig_.answer("stats").at("scrub");
  EXPECT_EQ(stats.at("active"), false);
  EXPECT_EQ(stats.at("checked_bytes"), 500'000);
  EXPECT_EQ(stats.at("bad_blocks"), 0);
  EXPECT_EQ(stats.at("last_finished"), ended.at("last_finished"));
  EXPECT_GT(stats.at("last_finished"), 0);
}

TEST_F(ControlTest, RefusesParametersThatCannotBeUsed) {
  for (const char* method : {"prefetch", "pin", "unpin", "evict"}) {
    for (const char* params : {"{}", R"({"paths": []})", R"({"paths": "a"})", R"({"paths": [1]})"}) {
      EXPECT_TRUE(has_kind(rig_.ask(method, json::parse(params)), ErrorKind::invalid)) << method << params;
    }
  }
  EXPECT_TRUE(has_kind(rig_.ask("progress"), ErrorKind::invalid));
  EXPECT_TRUE(has_kind(rig_.ask("progress", {{"job", 99}}), ErrorKind::invalid));
}

TEST_F(ControlTest, AHungOriginHoldsUpNeitherStatsNorTheEnd) {
  rig_.prefetch({"checkpoints/a.safetensors"});
  rig_.origin().close_gate(OriginCall::stat);
  const json job = rig_.answer("prefetch", {{"paths", {"loras"}}});
  EXPECT_EQ(job.at("state"), "looking");
  EXPECT_EQ(rig_.answer("ping").at("pong"), true);
  EXPECT_EQ(rig_.answer("stats").at("mode"), "active");
  EXPECT_EQ(rig_.answer("pin", {{"paths", {"checkpoints/a.safetensors"}}}).at("paths").size(), 1U)
      << "what is stored needs no origin";
  const auto began = std::chrono::steady_clock::now();
  rig_.stop_control();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST(ControlOfTwoMounts, ARelativePathIsFoundWhereItExists) {
  ControlRig rig;
  rig.add_mount("one", "/one", "/one").put_random("a.bin", 1000, 1);
  rig.add_mount("two", "/two", "/two").put_random("b.bin", 1000, 2);
  rig.start();
  EXPECT_EQ(rig.answer("pin", {{"paths", {"b.bin"}}}).at("paths"),
            json::parse(R"([{"mount": "two", "path": "b.bin"}])"));
  rig.prefetch({"a.bin", "b.bin"});
  json params = {{"limit", 1}};
  params["after"] = rig.answer("ls", params).at("next");
  EXPECT_EQ(rig.answer("ls", params).at("objects").at(0).at("mount"), "two");
}

TEST(ControlStart, RefusesASocketThatIsInUse) {
  ControlRig rig;
  rig.add_mount("one", "/one", "/one");
  rig.start();
  base::SystemClock clock;
  const ControlOptions options{
      .config = rig.config(), .version = "1", .started = clock.now(), .mount_numbers_json = {}};
  EXPECT_TRUE(has_kind(Control::listen(options, rig.engine(), clock), ErrorKind::invalid));
}

}  // namespace
}  // namespace arenacache::control
