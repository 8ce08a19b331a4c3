// SPDX-License-Identifier: Apache-2.0
#include "mount_rows.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace arenacache::cli {
namespace {

constexpr const char* kHost =
    "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
    "30 22 8:17 / /mnt/my\\040disk rw shared:2 - xfs /dev/sdb1 rw\n"
    "41 30 0:52 / /mnt/my\\040disk/models rw,nosuid shared:3 - fuse.arenacache arenacache rw\n"
    "a line of another form\n";

TEST(MountRows, AreReadFromTheKernelsTable) {
  const auto rows = parse_mount_rows(kHost);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[1].device, "8:17");
  EXPECT_EQ(rows[1].mountpoint, "/mnt/my disk");
  EXPECT_EQ(rows[1].type, "xfs");
  ASSERT_NE(find_ours(rows, "/mnt/my disk/models"), nullptr);
  EXPECT_EQ(find_ours(rows, "/mnt/my disk/models")->device, "0:52");
  EXPECT_EQ(find_ours(rows, "/mnt/my disk"), nullptr);
}

TEST(MountRows, TellWhereTheFolderBelowTheMountLies) {
  const auto place = bare_place_of(parse_mount_rows(kHost), "/mnt/my disk/models");
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(place->device, "8:17");
  EXPECT_EQ(place->path, "/models");
  EXPECT_EQ(place->type, "xfs");
  EXPECT_FALSE(bare_place_of({}, "/mnt").has_value());
}

class SightTest : public ::testing::Test {
 protected:
  static Sight sight(const std::string& table) {
    return sight_of(parse_mount_rows(table), {.device = "8:17", .path = "/models", .type = "xfs"}, "0:52");
  }
};

TEST_F(SightTest, TheMountItself) {
  EXPECT_TRUE(sight(kHost).of_mount);
  EXPECT_TRUE(sight("1 0 0:52 / /data rw - fuse.arenacache arenacache rw\n").of_mount) << "bound to another place";
}

TEST_F(SightTest, NothingOfTheFolder) {
  const Sight seen = sight("1 0 0:30 / / rw - overlay overlay rw\n2 1 8:17 /other /data rw - xfs /dev/sdb1 rw\n");
  EXPECT_FALSE(seen.of_mount);
  EXPECT_EQ(seen.bare_at, "");
  EXPECT_TRUE(seen.others.empty());
}

TEST_F(SightTest, TheBareFolderWhereverItIsBound) {
  EXPECT_EQ(sight("1 0 8:17 / /mnt rw - xfs /dev/sdb1 rw\n").bare_at, "/mnt/models") << "the disk is mounted whole";
  EXPECT_EQ(sight("1 0 8:17 / / rw - xfs /dev/sdb1 rw\n").bare_at, "/models");
  EXPECT_EQ(sight("1 0 8:17 /models /data rw - xfs /dev/sdb1 rw\n").bare_at, "/data") << "docker -v DIR:/data";
  EXPECT_EQ(sight("1 0 8:17 /models/vae /vae rw - xfs /dev/sdb1 rw\n").bare_at, "/vae") << "a part of it";
  EXPECT_EQ(sight("1 0 8:18 /models /data rw - xfs /dev/sdc1 rw\n").bare_at, "") << "another disk";
  EXPECT_EQ(sight("1 0 8:17 / /mnt rw - xfs /dev/sdb1 rw\n2 1 0:9 / /mnt/models rw - tmpfs tmpfs rw\n").bare_at, "")
      << "covered by another file system";
}

TEST_F(SightTest, AMountOfOursThatIsAnotherOneHidesNothing) {
  const Sight seen = sight(
      "1 0 8:17 / /mnt rw - xfs /dev/sdb1 rw\n"
      "2 1 0:49 / /elsewhere rw - fuse.arenacache arenacache rw\n");
  EXPECT_EQ(seen.bare_at, "/mnt/models");
  ASSERT_EQ(seen.others.size(), 1U);
  EXPECT_EQ(seen.others[0].mountpoint, "/elsewhere");
}

}  // namespace
}  // namespace arenacache::cli
