// SPDX-License-Identifier: Apache-2.0
#include "keeper_mount_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "support/temp_dir.h"

namespace arenacache::daemon {
namespace {

TEST(MountTable, ReadsALineWithOptionalFields) {
  const auto entry = parse_mount_line(
      "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - fuse.arenacache /dev/mapper/a\\011b rw,user_id=0");
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->id, "36");
  EXPECT_EQ(entry->device, "98:0");
  EXPECT_EQ(entry->mountpoint, "/mnt 2");
  EXPECT_EQ(entry->type, "fuse.arenacache");
  EXPECT_EQ(entry->source, "/dev/mapper/a\tb");
}

TEST(MountTable, ReadsALineWithoutOptionalFields) {
  const auto entry = parse_mount_line("22 27 0:20 / /sys rw,relatime - sysfs sysfs rw");
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->type, "sysfs");
}

TEST(MountTable, PassesOverOtherShapes) {
  EXPECT_FALSE(parse_mount_line("").has_value());
  EXPECT_FALSE(parse_mount_line("36 35 98:0 /").has_value());
  EXPECT_FALSE(parse_mount_line("36 35 98:0 / /mnt rw - ext4").has_value());
}

TEST(MountTable, FindsTheMountOfADescriptor) {
  const base::UniqueFd proc(::open("/proc/self", O_PATH | O_CLOEXEC));
  const auto entry = mount_of_fd(proc.get());
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->type, "proc");
  EXPECT_EQ(entry->mountpoint, "/proc");
  EXPECT_FALSE(mount_of_fd(-1).has_value());
}

TEST(MountTable, KnowsThePathOfADescriptor) {
  const test::TempDir folder;
  const base::UniqueFd open_folder(::open(folder.path().c_str(), O_PATH | O_CLOEXEC));
  EXPECT_EQ(path_of_open_fd(open_folder.get()), folder.path());
  EXPECT_EQ(path_of_open_fd(-1), "");
}

}  // namespace
}  // namespace arenacache::daemon
