// SPDX-License-Identifier: Apache-2.0
#include "support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

namespace arenacache::test {
namespace {

bool exists(const std::string& path) {
  struct stat raw = {};
  return ::lstat(path.c_str(), &raw) == 0;
}

TEST(TempDir, is_removed_with_all_its_content) {
  std::string path;
  {
    const TempDir dir;
    path = dir.path();
    dir.write_file("a/b/file", "content");
    dir.make_dir("c/d");
    EXPECT_TRUE(exists(path + "/a/b/file"));
    EXPECT_EQ(dir.read_file("a/b/file"), "content");
  }
  EXPECT_FALSE(exists(path));
}

TEST(TempDir, is_another_folder_each_time) {
  const TempDir one;
  const TempDir two;
  EXPECT_NE(one.path(), two.path());
}

}  // namespace
}  // namespace arenacache::test
