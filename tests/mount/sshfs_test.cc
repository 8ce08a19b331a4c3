// SPDX-License-Identifier: Apache-2.0
// A source on sshfs: whole seconds, inode numbers that change at each mount; what was cached stays cached all the same.
#include <sys/stat.h>

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "mount/model_folder.h"
#include "mount/ssh_server.h"
#include "support/temp_dir.h"

namespace arenacache::test {
namespace {

class SshfsTest : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    const std::string missing = SshServer::missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
  }
};

TEST_F(SshfsTest, SourceMountedAnewCostsNothingAgain) {
  const TempDir dir;
  const std::string exported = dir.make_dir("exported"), source = dir.make_dir("source");
  constexpr std::uint64_t kShards = 4;  // of one size and one second: told apart by path, never by inode number
  for (std::uint64_t shard = 0; shard < kShards; ++shard) {
    const std::string path = exported + "/shard-" + std::to_string(shard);
    make_pattern_file(path, kModelSize, Pattern{shard});
    set_time(path, 1'700'000'000, 0);
  }
  SshServer server;
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_NO_FATAL_FAILURE(server.mount(exported, source));
  TestMount mount({.source = source});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto load_all = [&] {
    for (const std::uint64_t shard : {2U, 0U, 3U, 1U}) {
      EXPECT_TRUE(file_is(mount.at("shard-" + std::to_string(shard)), kModelSize, Pattern{shard}));
    }
  };
  load_all();
  for (std::uint64_t shard = 0; shard < kShards; ++shard) mount.wait_resident("shard-" + std::to_string(shard));
  EXPECT_EQ(origin_bytes_of(mount, load_all), 0U) << "the second load";
  mount.stop();
  server.unmount();
  ASSERT_NO_FATAL_FAILURE(server.mount(exported, source));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_EQ(origin_bytes_of(mount, load_all), 0U) << "after the source was mounted anew";
  mount.stop();
}

TEST_F(SshfsTest, WritesReachTheServer) {
  const TempDir dir;
  const std::string exported = dir.make_dir("exported"), source = dir.make_dir("source");
  SshServer server;
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_NO_FATAL_FAILURE(server.mount(exported, source));
  TestMount mount({.source = source});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  put_content(mount.at("written"), "through both");
  EXPECT_EQ(content_of(exported + "/written"), "through both");
  EXPECT_EQ(content_of(mount.at("written")), "through both");
  ASSERT_EQ(::mkdir(mount.at("folder").c_str(), 0755), 0);
  ASSERT_EQ(::rename(mount.at("written").c_str(), mount.at("folder/moved").c_str()), 0);
  EXPECT_EQ(content_of(exported + "/folder/moved"), "through both");
  mount.stop();
}

}  // namespace
}  // namespace arenacache::test
