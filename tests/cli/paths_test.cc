// SPDX-License-Identifier: Apache-2.0
#include "paths.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace arenacache::cli {
namespace {

class Paths : public testing::Test {
 protected:
  Paths() {
    dir_.write_file("models/checkpoints/a.safetensors", "x");
    dir_.write_file("home/other.txt", "x");
  }
  [[nodiscard]] std::string send(const std::string& given, const std::string& cwd) const {
    const std::vector<MountPlace> places = {{.source = dir_.path("source"), .mountpoint = dir_.path("models")}};
    return path_to_send(given, dir_.path(cwd), places);
  }

  test::TempDir dir_;
};

TEST_F(Paths, ANameThatExistsInTheMountIsMadeAbsolute) {
  EXPECT_EQ(send("a.safetensors", "models/checkpoints"), dir_.path("models/checkpoints/a.safetensors"));
  EXPECT_EQ(send("checkpoints/", "models"), dir_.path("models/checkpoints"));
  EXPECT_EQ(send("..", "models/checkpoints"), dir_.path("models"));
  EXPECT_EQ(send(".", "models"), dir_.path("models"));
}

TEST_F(Paths, ANameThatIsElsewhereGoesAsTyped) {
  EXPECT_EQ(send("checkpoints/a.safetensors", "home"), "checkpoints/a.safetensors");
  EXPECT_EQ(send("other.txt", "home"), "other.txt") << "it exists, but under no mount";
  EXPECT_EQ(send("checkpoints/a.safetensors", "models/checkpoints"), "checkpoints/a.safetensors")
      << "relative to the mount";
}

TEST_F(Paths, AnAbsoluteNameStaysAbsolute) {
  EXPECT_EQ(send("/not/here/../there", "home"), "/not/there");
  EXPECT_EQ(send(dir_.path("source/x"), "home"), dir_.path("source/x"));
}

TEST_F(Paths, APatternInTheMountIsMadeAbsolute) {
  EXPECT_EQ(send("*.safetensors", "models/checkpoints"), dir_.path("models/checkpoints/*.safetensors"));
  EXPECT_EQ(send("*.safetensors", "home"), "*.safetensors");
}

TEST_F(Paths, ALinkIntoTheMountIsFollowed) {
  ASSERT_EQ(::symlink(dir_.path("models/checkpoints").c_str(), dir_.path("home/link").c_str()), 0);
  EXPECT_EQ(send("link/a.safetensors", "home"), dir_.path("models/checkpoints/a.safetensors"));
  EXPECT_EQ(send(dir_.path("home/link"), "home"), dir_.path("models/checkpoints"));
}

TEST_F(Paths, AnEmptyNameIsNotTheFolder) { EXPECT_EQ(send("", "models"), ""); }

TEST_F(Paths, AFolderIsNotAboveANameThatOnlyBeginsLikeIt) {
  EXPECT_TRUE(is_at_or_below("/a/b", "/a/b"));
  EXPECT_TRUE(is_at_or_below("/a/b/c", "/a/b"));
  EXPECT_FALSE(is_at_or_below("/a/bc", "/a/b"));
  EXPECT_TRUE(is_at_or_below("/a", "/"));
}

}  // namespace
}  // namespace arenacache::cli
