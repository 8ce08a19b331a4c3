// SPDX-License-Identifier: Apache-2.0
#include "path_resolver.h"

#include <gtest/gtest.h>

#include <string>

#include "support/matchers.h"

namespace arenacache::control {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::must;

PathResolver two_mounts() {
  return PathResolver({{.source = "/nas/models/", .mountpoint = "/home/u/models"},
                       {.source = "/nas/models/checkpoints", .mountpoint = "/nas/models/checkpoints"}});
}

/// "mount:path" of the one place of `given`.
std::string place_of(const std::string& given) {
  const auto places = must(two_mounts().resolve(given));
  EXPECT_EQ(places.size(), 1U) << given;
  return std::to_string(places[0].mount) + ":" + places[0].path;
}

TEST(PathResolver, PlacesPathsUnderMountpointAndSource) {
  EXPECT_EQ(place_of("/home/u/models/loras/a.bin"), "0:loras/a.bin");
  EXPECT_EQ(place_of("/nas/models/loras/a.bin"), "0:loras/a.bin");
  EXPECT_EQ(place_of("/home/u/models"), "0:");
  EXPECT_EQ(place_of("/home/u/models/"), "0:");
  EXPECT_EQ(place_of("/home/u/./models//x/../y/"), "0:y");
}

TEST(PathResolver, TheInnermostMountCounts) {
  EXPECT_EQ(place_of("/nas/models/checkpoints/a"), "1:a");
  EXPECT_EQ(place_of("/nas/models/checkpoints2/a"), "0:checkpoints2/a");
  EXPECT_EQ(place_of("/home/u/models/checkpoints/a"), "0:checkpoints/a");
}

TEST(PathResolver, ARelativePathMayBeInAnyMount) {
  const auto places = must(two_mounts().resolve("./loras/a"));
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[0].path, "loras/a");
  EXPECT_EQ(places[1].mount, 1U);
  EXPECT_EQ(must(two_mounts().resolve("."))[0].path, "");
}

TEST(PathResolver, RefusesWhatLiesUnderNoMount) {
  for (const char* given : {"", "/", "/home/u", "/home/u/models2", "/home/u/models/../x", "..", "../x", "a/../../b"}) {
    EXPECT_TRUE(has_kind(two_mounts().resolve(given), ErrorKind::invalid)) << given;
  }
}

TEST(PathResolver, KeepsAPatternBesideTheName) {
  const auto absolute = must(two_mounts().resolve("/home/u/models/*.bin"));
  EXPECT_EQ(absolute[0].path, "*.bin");
  EXPECT_EQ(absolute[0].pattern, "/*.bin") << "tied to the folder that was named";
  EXPECT_EQ(must(two_mounts().resolve("*.bin"))[0].pattern, "*.bin");
  EXPECT_EQ(must(two_mounts().resolve("a.bin"))[0].pattern, "");
}

TEST(PathResolver, KnowsWhatIsInside) {
  EXPECT_TRUE(two_mounts().is_inside("/nas/models/x"));
  EXPECT_TRUE(two_mounts().is_inside("/home/u/models"));
  EXPECT_FALSE(two_mounts().is_inside("/home/u/models2"));
  EXPECT_FALSE(two_mounts().is_inside("/nas"));
}

TEST(AbsoluteTarget, FollowsTheTextOfALink) {
  EXPECT_EQ(absolute_target("/s", "link", "/a/b"), "/a/b");
  EXPECT_EQ(absolute_target("/s", "link", "a/b"), "/s/a/b");
  EXPECT_EQ(absolute_target("/s", "x/y/link", "../../blobs/1"), "/s/blobs/1");
  EXPECT_EQ(absolute_target("/s", "x/link", "../../other/"), "/other");
}

TEST(PatternCovers, MatchesFilesAndTheFoldersAboveThem) {
  EXPECT_TRUE(pattern_covers("/check*", "checkpoints/sdxl/a.bin"));
  EXPECT_TRUE(pattern_covers("/checkpoints/*.bin", "checkpoints/a.bin"));
  EXPECT_FALSE(pattern_covers("/checkpoints/*.bin", "checkpoints/sdxl/a.bin"));
  EXPECT_TRUE(pattern_covers("*.bin", "checkpoints/sdxl/a.bin"));
  EXPECT_FALSE(pattern_covers("/*.bin", "checkpoints/a.bin"));
}

}  // namespace
}  // namespace arenacache::control
