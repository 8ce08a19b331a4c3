// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/memory_limit.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "arenacache/base/page_cache.h"
#include "support/temp_dir.h"

namespace arenacache::base {
namespace {

class MemoryLimitTest : public ::testing::Test {
 protected:
  MemoryLimitTest() {
    std::filesystem::create_directories(dir_.path("root/slice/service"));
    dir_.write_file("self", "1:name=systemd:/elsewhere\n0::/slice/service\n");
  }
  void set(const std::string& group, const std::string& name, const std::string& value) const {
    dir_.write_file("root" + group + "/" + name, value + "\n");
  }
  [[nodiscard]] MemoryLimit limit() const { return memory_limit(dir_.path("self"), dir_.path("root")); }

  test::TempDir dir_;
};

TEST_F(MemoryLimitTest, WithoutALimitThereIsNone) {
  set("/slice/service", "memory.max", "max");
  set("/slice/service", "memory.high", "max");
  set("/slice/service", "memory.current", "1000");
  EXPECT_EQ(limit().most_bytes, UINT64_MAX);
  EXPECT_EQ(limit().left_bytes, UINT64_MAX);
  EXPECT_EQ(memory_limit(dir_.path("nothing"), dir_.path("root")).left_bytes, UINT64_MAX);
}

TEST_F(MemoryLimitTest, WhatThePageCacheCouldLetGoOfIsLeft) {
  set("/slice/service", "memory.max", "1000000");
  set("/slice/service", "memory.current", "900000");
  set("/slice/service", "memory.stat", "anon 200000\ninactive_file_of_others 1\ninactive_file 300000\nactive_file 5");
  EXPECT_EQ(limit().most_bytes, 1'000'000U);
  EXPECT_EQ(limit().left_bytes, 400'000U);
}

TEST_F(MemoryLimitTest, TheTightestOfTheGroupsAboveCounts) {
  set("/slice/service", "memory.max", "1000000");
  set("/slice/service", "memory.current", "100");
  set("/slice", "memory.max", "max");
  set("/slice", "memory.high", "5000000");
  set("/slice", "memory.current", "4999000");
  EXPECT_EQ(limit().most_bytes, 1'000'000U);
  EXPECT_EQ(limit().left_bytes, 1000U);
  set("/slice", "memory.current", "6000000");
  EXPECT_EQ(limit().left_bytes, 0U) << "more than it may have";
}

TEST_F(MemoryLimitTest, AContainerSeesItsOwnGroupAsTheRoot) {
  dir_.write_file("self", "0::/\n");
  set("", "memory.max", "4096");
  EXPECT_EQ(limit().most_bytes, 4096U);
}

TEST(MachineMemoryTest, IsWithinTheLimit) {
  EXPECT_LE(memory_bytes(), memory_limit().most_bytes);
  EXPECT_GT(memory_bytes(), 0U);
  EXPECT_GT(KernelPageCache().available_bytes(), 0U);
}

}  // namespace
}  // namespace arenacache::base
