// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "control_rig.h"
#include "link_survey.h"
#include "support/matchers.h"

namespace arenacache::control {
namespace {

using nlohmann::json;
using test::ControlRig;
using test::must;

TEST(LinkSurvey, FindsTheLinksThatLeaveEverySource) {
  ControlRig rig;
  auto& origin = rig.add_mount("models", "/nas/models", "/home/u/models");
  rig.add_mount("ckpt", "/hdd/ckpt", "/hdd/ckpt");
  origin.put("blobs/1", "x");
  origin.make_folder("loras/deep");
  must(origin.make_symlink("inside", "blobs/1", {}));
  must(origin.make_symlink("inside-by-mount", "/home/u/models/blobs/1", {}));
  must(origin.make_symlink("other-mount", "/hdd/ckpt/x", {}));
  must(origin.make_symlink("vae", "/hdd/vae", {}));
  must(origin.make_symlink("loras/deep/up", "../../../elsewhere/", {}));
  rig.start();
  const json stats = rig.ask_until("stats", json::object(),
                                   [](const json& now) { return now.at("mounts").at(0).at("links_out").size() >= 2; });
  EXPECT_EQ(
      stats.at("mounts").at(0).at("links_out"),
      json::parse(R"([{"path": "vae", "target": "/hdd/vae"}, {"path": "loras/deep/up", "target": "/nas/elsewhere"}])"));
  EXPECT_TRUE(stats.at("mounts").at(1).at("links_out").empty());
}

TEST(LinkSurvey, TellsTheOwnerWhatToWriteOnceForEachFolder) {
  EXPECT_EQ(links_out_notice("models", {{.path = "checkpoints", .target = "/hdd/ckpt"},
                                        {.path = "loras/a.pt", .target = "/hdd/\"x\"/a.pt"},
                                        {.path = "loras/b.pt", .target = "/hdd/\"x\"/b.pt"}}),
            (std::vector<std::string>{
                "3 symlinks lead out of models, and what is behind is not cached: checkpoints -> /hdd/ckpt, "
                "loras/a.pt -> /hdd/\"x\"/a.pt, loras/b.pt -> /hdd/\"x\"/b.pt. To cache it too, add to the config:",
                "[[mount]]", "source = \"/hdd/\\\"x\\\"\"", "mountpoint = \"/hdd/\\\"x\\\"\"", "[[mount]]",
                "source = \"/hdd/ckpt\"", "mountpoint = \"/hdd/ckpt\""}));
}

}  // namespace
}  // namespace arenacache::control
