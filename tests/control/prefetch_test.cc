// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cerrno>
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
using test::must;
using test::OriginCall;
using Paths = std::vector<std::string>;

class PrefetchTest : public testing::Test {
 protected:
  PrefetchTest() {
    auto& origin = rig_.add_mount("models", "/nas/models", "/home/u/models");
    origin.put_random("checkpoints/a.safetensors", 3'000'000, 1);
    origin.put_random("checkpoints/xl/b.safetensors", 200'000, 2);
    origin.put_random("loras/c.bin", 100'000, 3);
  }

  ControlRig rig_;
};

TEST_F(PrefetchTest, CopiesAFolderAndTellsHowFarItIs) {
  rig_.start();
  const json job = rig_.prefetch({"checkpoints"});
  EXPECT_EQ(job.at("files"), json::parse(R"({"total": 2, "done": 2, "failed": 0, "skipped": 0})"));
  EXPECT_EQ(job.at("bytes"), (json{{"total", 3'200'000}, {"cached", 3'200'000}}));
  EXPECT_EQ(rig_.origin().read_bytes(), 3'200'000U);
  rig_.prefetch({"checkpoints/a.safetensors"});
  EXPECT_EQ(rig_.origin().read_bytes(), 3'200'000U) << "what is stored is not read again";
}

TEST_F(PrefetchTest, APatternNamesFilesAndFolders) {
  rig_.start();
  EXPECT_EQ(rig_.prefetch({"*.safetensors"}).at("files").at("total"), 2);
  EXPECT_EQ(rig_.prefetch({"/home/u/models/check*/a.*"}).at("files").at("total"), 1);
  EXPECT_EQ(rig_.prefetch({"lor*"}).at("files").at("total"), 1);
}

TEST_F(PrefetchTest, APatternThatMatchesNothingIsToldAsAFailure) {
  rig_.start();
  const json job = rig_.prefetch({"*.gguf", "loras"});
  EXPECT_EQ(job.at("files"), json::parse(R"({"total": 2, "done": 1, "failed": 1, "skipped": 0})"));
  EXPECT_EQ(job.at("failures").at(0).at("path"), "*.gguf");
}

TEST_F(PrefetchTest, APathThatIsNowhereStartsNothing) {
  rig_.start();
  EXPECT_TRUE(has_kind(rig_.ask("prefetch", {{"paths", {"loras", "nothing.bin"}}}), ErrorKind::invalid));
  EXPECT_TRUE(rig_.listed().empty());
}

TEST_F(PrefetchTest, LinksInsideTheSourceAreFollowedToTheirFiles) {
  rig_.origin().put_random("blobs/1", 1000, 5);
  rig_.origin().make_folder("snapshots/main");
  must(rig_.origin().make_symlink("snapshots/main/model.bin", "../../blobs/1", {}));
  must(rig_.origin().make_symlink("snapshots/main/out.bin", "/elsewhere/1", {}));
  must(rig_.origin().make_symlink("latest", "snapshots/main", {}));
  rig_.start();
  EXPECT_EQ(rig_.prefetch({"snapshots"}).at("files").at("total"), 1);
  EXPECT_EQ(rig_.listed(), Paths{"blobs/1"});
  EXPECT_EQ(rig_.prefetch({"latest"}).at("files").at("total"), 1);
  EXPECT_EQ(rig_.prefetch({"snapshots/main/model.bin"}).at("files").at("total"), 1);
  EXPECT_TRUE(has_kind(rig_.ask("prefetch", {{"paths", {"snapshots/main/out.bin"}}}), ErrorKind::invalid));
}

TEST_F(PrefetchTest, ALinkToItselfEnds) {
  must(rig_.origin().make_symlink("loop", "loop", {}));
  rig_.start();
  EXPECT_TRUE(has_kind(rig_.ask("prefetch", {{"paths", {"loop"}}}), ErrorKind::invalid));
  EXPECT_EQ(rig_.prefetch({"."}).at("files").at("total"), 3);
}

TEST_F(PrefetchTest, AnEmptyFileIsDoneAndACacheThatAddsNothingSkips) {
  rig_.origin().put("empty", "");
  rig_.start();
  EXPECT_EQ(rig_.prefetch({"empty"}).at("files").at("done"), 1);
  rig_.answer("mode", {{"mode", "use-only"}});
  const json job = rig_.prefetch({"loras"});
  EXPECT_EQ(job.at("files").at("skipped"), 1);
  EXPECT_EQ(job.at("failures").at(0).at("reason"), "the cache's mode is use-only");
}

TEST_F(PrefetchTest, AFileThatFailsIsToldWithItsReason) {
  rig_.start();
  rig_.origin().fail_next(OriginCall::open, 100, EACCES);
  const json job = rig_.prefetch({"loras/c.bin"});
  EXPECT_EQ(job.at("files").at("done"), 0);
  ASSERT_EQ(job.at("failures").size(), 1U);
  EXPECT_FALSE(job.at("failures").at(0).at("reason").get<std::string>().empty());
}

TEST_F(PrefetchTest, ASlowSearchGoesOnInTheBackground) {
  rig_.start();
  rig_.origin().close_gate(OriginCall::stat);
  const json job = rig_.answer("prefetch", {{"paths", {"loras"}}});
  EXPECT_EQ(job.at("state"), "looking");
  rig_.origin().open_gate(OriginCall::stat);
  const json ended =
      rig_.ask_until("progress", {{"job", job.at("job")}}, [](const json& now) { return now.at("state") == "done"; });
  EXPECT_EQ(ended.at("files").at("done"), 1);
}

}  // namespace
}  // namespace arenacache::control
