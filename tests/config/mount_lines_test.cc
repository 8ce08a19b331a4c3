// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/mount_lines.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace arenacache::config {
namespace {

TEST(MountLines, NameTheFolderToMountOver) {
  EXPECT_EQ(folder_behind("/hdd/vae"), "/hdd/vae");
  EXPECT_EQ(folder_behind("/hdd/sd-v1.5"), "/hdd/sd-v1.5");
  EXPECT_EQ(folder_behind("/hdd/a/model.safetensors"), "/hdd/a");
  EXPECT_EQ(folder_behind("/model.gguf"), "/model.gguf");
}

TEST(MountLines, AreToml) {
  EXPECT_EQ(mount_lines("/hdd/\"x\""),
            (std::vector<std::string>{"[[mount]]", "source = \"/hdd/\\\"x\\\"\"", "mountpoint = \"/hdd/\\\"x\\\"\""}));
}

}  // namespace
}  // namespace arenacache::config
