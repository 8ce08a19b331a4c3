// SPDX-License-Identifier: Apache-2.0
// A store that lies, shrinks, fills up, falls silent or goes away: every read gives the source's bytes, the fault is counted and
// in the log once, and the mount stays. ARENACACHE_TEST_LONG=1 flips ten thousand bits.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mount/loop_disk.h"
#include "mount/model_folder.h"
#include "support/store_files.h"

namespace arenacache::test {
namespace {

constexpr std::uint64_t kSize = 6 * kMiB + 777;

bool is_long() { return std::getenv("ARENACACHE_TEST_LONG") != nullptr; }  // NOLINT(concurrency-mt-unsafe)

class StoreFaultTest : public ModelTest {
 protected:
  /// Makes `count` models and has them all in the store.
  static std::vector<Model> make_models(const TestMount& mount, std::uint64_t count, std::uint64_t size = kSize) {
    std::vector<Model> models;
    models.reserve(count);
    for (std::uint64_t index = 0; index < count; ++index) {
      models.push_back(add_model(mount, "model-" + std::to_string(index), size, Pattern{index}));
    }
    fill(mount, models);
    return models;
  }
  static void fill(const TestMount& mount, const std::vector<Model>& models) {
    EXPECT_EQ(mount.cli({"prefetch", "--wait", mount.mountpoint()}).exit_code, 0);
    for (std::uint64_t index = 0; index < models.size(); ++index) mount.wait_resident("model-" + std::to_string(index));
  }
  static void expect_right(const std::vector<Model>& models) {
    for (const Model& model : models) {
      drop_pages(model.path);
      EXPECT_TRUE(load_in_order(model)) << model.path;
    }
  }
  /// What is logged from here on is of the daemon's next life.
  void begin_life(const TestMount& mount) { life_begin_ = mount.log().size(); }
  [[nodiscard]] std::size_t count_logged(const TestMount& mount, std::string_view what) const {
    const std::string log = mount.log();
    std::size_t count = 0;
    for (auto at = log.find(what, life_begin_); at != std::string::npos; at = log.find(what, at + 1)) ++count;
    return count;
  }
  /// Each fault of the store is in the log, and none of them twice.
  void expect_faults_logged_once(const TestMount& mount) const {
    EXPECT_TRUE(TestMount::wait_for([&] {
      return count_logged(mount, "the store failed, ") + count_logged(mount, " is dropped from the raw tier: ") +
                 count_logged(mount, "the store's disk fails: ") ==
             mount.stats().store_errors;
    })) << mount.stats().text;
  }
  struct Hit {
    std::set<std::string> files;
    std::set<std::pair<std::string, std::uint64_t>> blocks;
  };
  /// Flips `count` bits of the store's data files; what they hit.
  Hit flip_bits(const TestMount& mount, int count) {
    const auto files = mount.store_files();
    Hit hit;
    for (int flip = 0; flip < count; ++flip) {
      const std::string& path = files[random_() % files.size()];
      const std::uint64_t bit = random_() % (std::filesystem::file_size(path) * 8);
      if (!bits_.emplace(path, bit).second) continue;  // twice would be none
      flip_bit(path, bit);
      hit.files.insert(path);
      hit.blocks.emplace(path, bit / 8 / kMiB);
    }
    bits_.clear();
    return hit;
  }

  std::mt19937_64 random_{static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed())};
  std::set<std::pair<std::string, std::uint64_t>> bits_;
  std::size_t life_begin_ = 0;
};

TEST_F(StoreFaultTest, FlippedBitsAreNeverServedByTheDaemon) {
  TestMount mount({.flags = {{"--fuse-passthrough", "off"}}});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto models = make_models(mount, is_long() ? 64 : 8);
  for (int round = 0; round < (is_long() ? 10 : 1); ++round) {
    mount.stop();
    begin_life(mount);
    flip_bits(mount, is_long() ? 1000 : 30);
    ASSERT_NO_FATAL_FAILURE(mount.start());
    expect_right(models);
    EXPECT_GT(mount.stats().checksum_errors, 0U);
    expect_faults_logged_once(mount);
    fill(mount, models);
  }
}

TEST_F(StoreFaultTest, EveryBlockWithAFlippedBitIsFoundByAScrub) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto models = make_models(mount, is_long() ? 64 : 8);
  for (int round = 0; round < (is_long() ? 10 : 1); ++round) {
    mount.stop();
    begin_life(mount);
    const Hit hit = flip_bits(mount, is_long() ? 1000 : 20);
    ASSERT_NO_FATAL_FAILURE(mount.start());
    const Finished scrub = mount.cli({"scrub", "--wait"});
    EXPECT_EQ(scrub.exit_code, 1) << scrub.output;
    EXPECT_EQ(mount.stats().scrub_bad_blocks, hit.blocks.size());
    EXPECT_EQ(count_logged(mount, "is damaged in the store"), hit.files.size()) << "a line for each file";
    expect_right(models);
    fill(mount, models);
    EXPECT_EQ(mount.cli({"scrub", "--wait"}).exit_code, 0) << "all is well again";
  }
}

TEST_F(StoreFaultTest, FlippedBitsInSidecarsAndIndexCostNoByte) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto models = make_models(mount, 6);
  for (int round = 0; round < (is_long() ? 200 : 4); ++round) {
    mount.stop();
    begin_life(mount);
    for (const std::string& path : raw_files(mount.store(), true)) {
      if (random_() % 2 == 0) flip_bit(path, random_() % (std::filesystem::file_size(path) * 8));
    }
    const std::string index = mount.store() + "/index.db";
    for (int flip = 0; flip < 1 + round % 8; ++flip) {
      flip_bit(index, random_() % (std::filesystem::file_size(index) * 8));
    }
    ASSERT_NO_FATAL_FAILURE(mount.start());
    expect_right(models);
    EXPECT_NE(mount.cli({"scrub", "--wait"}).exit_code, -1);
    fill(mount, models);
  }
}

TEST_F(StoreFaultTest, StoreFilesThatWereCutOrTakenAwayCostNoByte) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto models = make_models(mount, 6);
  const auto damage = [&] {
    const auto data = raw_files(mount.store());
    const auto sidecars = raw_files(mount.store(), true);
    ASSERT_EQ(data.size(), models.size());
    ASSERT_EQ(::truncate(data[0].c_str(), 2 * kMiB), 0);
    ASSERT_EQ(::truncate(data[1].c_str(), 0), 0);
    ASSERT_EQ(::unlink(data[2].c_str()), 0);
    ASSERT_EQ(::truncate(sidecars[3].c_str(), 40), 0);
    ASSERT_EQ(::unlink(sidecars[4].c_str()), 0);
  };
  mount.stop();
  begin_life(mount);
  ASSERT_NO_FATAL_FAILURE(damage());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  expect_right(models);
  EXPECT_GE(mount.stats().store_errors, 5U);
  expect_faults_logged_once(mount);
  fill(mount, models);
  begin_life(mount);
  mount.restart({{"--fuse-passthrough", "off"}});
  ASSERT_NO_FATAL_FAILURE(damage());  // under a daemon that runs
  expect_right(models);
  EXPECT_GE(mount.stats().store_errors, 5U);
  expect_faults_logged_once(mount);
}

TEST_F(StoreFaultTest, AnIndexThatIsGoneOrGarbageIsMadeAgainFromTheSidecars) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto models = make_models(mount, 4);
  const std::string index = mount.store() + "/index.db";
  for (const std::string what : {"gone", "garbage", "cut"}) {
    SCOPED_TRACE(what);
    mount.stop();
    begin_life(mount);
    if (what == "gone") {
      ASSERT_EQ(::unlink(index.c_str()), 0);
    }
    if (what == "garbage") std::ofstream(index, std::ios::binary) << std::string(50'000, 'x');
    if (what == "cut") {
      ASSERT_EQ(::truncate(index.c_str(), 6000), 0);
    }
    ASSERT_NO_FATAL_FAILURE(mount.start());
    EXPECT_EQ(mount.stats().resident, models.size()) << "nothing has to be copied again";
    EXPECT_EQ(count_logged(mount, "the index was lost or unreadable"), 1U);
    expect_right(models);
  }
}

/// A store on a small disk of its own.
class StoreDiskTest : public StoreFaultTest {
 protected:
  void SetUp() override {
    StoreFaultTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (!disk_.missing().empty()) GTEST_SKIP() << disk_.missing();
  }
  [[nodiscard]] MountOptions options() const {
    return {.flags = {{"--store-keep-free", "0"}}, .capacity = "100%", .store = disk_.path() + "/store"};
  }
  /// Reads, writes and listings of the mount work.
  static void expect_mount_works(const TestMount& mount, const std::vector<Model>& models) {
    EXPECT_TRUE(mount.is_mounted());
    expect_right(models);
    put_content(mount.at("note"), "written");
    EXPECT_EQ(content_of(mount.from("note")), "written");
    EXPECT_EQ(content_of(mount.at("note")), "written");
    EXPECT_EQ(::unlink(mount.at("note").c_str()), 0);
  }

  LoopDisk disk_{"ext4", 96 * kMiB};
};

TEST_F(StoreDiskTest, AFullDiskCostsTimeOnlyAndIsUsedAgainWhenThereIsRoom) {
  TestMount mount(options());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  auto models = make_models(mount, 3);
  ASSERT_NO_FATAL_FAILURE(disk_.fill("ballast"));
  models.push_back(add_model(mount, "model-3", kSize, Pattern{3}));
  expect_mount_works(mount, models);
  expect_faults_logged_once(mount);
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  expect_mount_works(mount, models);
  EXPECT_EQ(::unlink((disk_.path() + "/ballast").c_str()), 0);
  EXPECT_TRUE(TestMount::wait_for([&] {
    drop_pages(models[3].path);
    EXPECT_TRUE(load_in_order(models[3]));
    const auto object = mount.object("model-3");
    return object && object->state == "resident";
  })) << mount.stats().text;
}

TEST_F(StoreDiskTest, ADiskThatBecomesReadOnlyServesWhatItHas) {
  TestMount mount(options());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  auto models = make_models(mount, 3);
  ASSERT_NO_FATAL_FAILURE(disk_.make_read_only());
  models.push_back(add_model(mount, "model-3", kSize, Pattern{3}));
  EXPECT_EQ(origin_bytes_of(mount, [&] { expect_right({models[0], models[1], models[2]}); }), 0U);
  expect_mount_works(mount, models);
  EXPECT_GT(mount.stats().store_errors, 0U);
  expect_faults_logged_once(mount);
  begin_life(mount);
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  expect_mount_works(mount, models);
  EXPECT_EQ(count_logged(mount, "the store cannot be used"), 1U);
  EXPECT_NE(mount.stats().text.find("the store cannot be used"), std::string::npos) << mount.stats().text;
  const Finished doctor = mount.cli({"doctor", "--patience", "40s"});
  EXPECT_NE(doctor.output.find("FAIL  daemon"), std::string::npos) << doctor.output;
  EXPECT_NE(doctor.output.find("mend the store's disk"), std::string::npos) << doctor.output;
}

TEST_F(StoreDiskTest, ADiskThatIsPulledOutCostsTimeOnly) {
  TestMount mount(options());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  auto models = make_models(mount, 3);
  ASSERT_NO_FATAL_FAILURE(disk_.take_away());
  models.push_back(add_model(mount, "model-3", kSize, Pattern{3}));
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.stats().store_errors > 0; }))
      << "it is noticed with nobody reading";
  expect_mount_works(mount, models);
  expect_faults_logged_once(mount);
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  expect_mount_works(mount, models);
  EXPECT_NE(mount.stats().text.find("the store cannot be used"), std::string::npos) << mount.stats().text;
}

}  // namespace
}  // namespace arenacache::test
