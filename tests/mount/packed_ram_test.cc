// SPDX-License-Identifier: Apache-2.0
// Packed models that lie decoded in memory: the kernel reads them there by itself, and nothing is told by it but speed.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "arenacache/base/memory_files.h"
#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

class PackedRamTest : public ModelTest {
 protected:
  void start(const std::string& ram_capacity) {
    mount_ = std::make_unique<TestMount>(MountOptions{
        .flags = {{"--tier-capacity", "512MiB"}, {"--cache-promote-after", "0"}, {"--ram-capacity", ram_capacity}}});
    ASSERT_NO_FATAL_FAILURE(mount_->start());
    model_ = add_model(*mount_, "model");
    make_resident(*mount_, "model", model_);
    const Finished packed = mount_->cli({"pack", "--wait", model_.path});
    ASSERT_EQ(packed.exit_code, 0) << packed.output;
    drop_pages(model_.path);
  }
  void take_into_memory() {
    const Finished taken = mount_->cli({"prefetch", "--wait", "--ram", model_.path});
    ASSERT_EQ(taken.exit_code, 0) << taken.output;
    EXPECT_EQ(mount_->object("model")->state, "packed");
  }
  [[nodiscard]] std::uint64_t reads_by_kernel() const { return mount_->stats().opens_passthrough; }
  void kill_worker() {
    const pid_t worker = mount_->client().pid();
    ASSERT_GT(worker, 0);
    ASSERT_EQ(::kill(worker, SIGKILL), 0);
    ASSERT_TRUE(TestMount::wait_for([&] {
      const pid_t now = mount_->client().pid();
      return now > 0 && now != worker;
    }));
  }
  /// Every byte is right, and the source is not asked for one.
  void expect_local() {
    EXPECT_EQ(origin_bytes_of(*mount_,
                              [&] {
                                EXPECT_TRUE(load_in_order(model_));
                                EXPECT_TRUE(load_mapped(model_));
                              }),
              0U);
  }

  std::unique_ptr<TestMount> mount_;
  Model model_;
};

TEST_F(PackedRamTest, WhatIsPrefetchedIntoMemoryIsReadByTheKernel) {
  ASSERT_NO_FATAL_FAILURE(start("1GiB"));
  ASSERT_NO_FATAL_FAILURE(take_into_memory());
  const std::uint64_t before = reads_by_kernel();
  expect_local();
  EXPECT_EQ(reads_by_kernel(), before + 2);
  EXPECT_GE(mount_->stats().ram_decoded_bytes, model_.size);
}

/// Confined as it is, the worker can make files in the tmpfs that it made before.
TEST_F(PackedRamTest, TheMemoryIsOfHugePagesWhereTheDaemonMayMount) {
  if (base::MemoryFiles::with_huge_pages().folder() < 0)
    GTEST_SKIP() << "nobody may mount a tmpfs with huge pages here";
  ASSERT_NO_FATAL_FAILURE(start("1GiB"));
  ASSERT_NO_FATAL_FAILURE(take_into_memory());
  const std::filesystem::path descriptors = "/proc/" + std::to_string(mount_->client().pid()) + "/fd";
  unsigned found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(descriptors)) {
    struct stat status{};
    if (::stat(entry.path().c_str(), &status) != 0 || status.st_nlink != 0) continue;
    if (static_cast<std::uint64_t>(status.st_size) != model_.size) continue;
    ++found;
    EXPECT_FALSE(std::filesystem::read_symlink(entry.path()).native().contains("memfd"));
  }
  EXPECT_EQ(found, 1U);
}

TEST_F(PackedRamTest, AnOpenThatIsLikelyToLoadWaitsForTheMemory) {
  ASSERT_NO_FATAL_FAILURE(start("1GiB"));
  const std::uint64_t before = reads_by_kernel();
  ASSERT_TRUE(load_in_order(model_));  // the daemon serves it, and measures that
  EXPECT_EQ(reads_by_kernel(), before);
  ASSERT_TRUE(load_in_order(model_));
  EXPECT_EQ(reads_by_kernel(), before + 1);
}

TEST_F(PackedRamTest, WhoReadsHeadersNeverWaits) {
  ASSERT_NO_FATAL_FAILURE(start("1GiB"));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(peek(model_, 0, 4096));
  EXPECT_EQ(mount_->stats().ram_decoded_bytes, 0U);
}

TEST_F(PackedRamTest, WhatHasNoRoomInMemoryIsServed) {
  ASSERT_NO_FATAL_FAILURE(start("8MiB"));
  const Finished taken = mount_->cli({"prefetch", "--wait", "--ram", model_.path});
  EXPECT_TRUE(taken.output.contains("has no room for it")) << taken.output;
  expect_local();
}

TEST_F(PackedRamTest, WhatWasNotUsedForLongestMakesRoom) {
  ASSERT_NO_FATAL_FAILURE(start("40MiB"));
  ASSERT_NO_FATAL_FAILURE(take_into_memory());
  const Model other = add_model(*mount_, "other", kModelSize, Pattern{3});
  make_resident(*mount_, "other", other);
  ASSERT_EQ(mount_->cli({"pack", "--wait", other.path}).exit_code, 0);
  const Finished taken = mount_->cli({"prefetch", "--wait", "--ram", other.path});
  EXPECT_EQ(taken.exit_code, 0) << taken.output;
  EXPECT_FALSE(taken.output.contains("has no room")) << taken.output;
  EXPECT_EQ(mount_->stats().ram_decoded_bytes, other.size);
  EXPECT_TRUE(load_in_order(other));
}

TEST_F(PackedRamTest, AReaderOutlastsTheWorkerAndTheFilesGoing) {
  ASSERT_NO_FATAL_FAILURE(start("1GiB"));
  ASSERT_NO_FATAL_FAILURE(take_into_memory());
  const base::UniqueFd file(::open(model_.path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file.is_open());
  ASSERT_TRUE(load_like_comfyui(file.get(), model_));
  ASSERT_NO_FATAL_FAILURE(kill_worker());
  EXPECT_TRUE(load_like_comfyui(file.get(), model_));
  expect_local();
  ASSERT_EQ(mount_->cli({"evict", model_.path}).exit_code, 0);
  EXPECT_TRUE(load_like_comfyui(file.get(), model_));
  EXPECT_TRUE(load_in_order(model_));
}

TEST_F(PackedRamTest, WhatIsWrittenIsSeen) {
  ASSERT_NO_FATAL_FAILURE(start("1GiB"));
  ASSERT_NO_FATAL_FAILURE(take_into_memory());
  ASSERT_TRUE(load_in_order(model_));
  const Model other{.path = model_.path, .size = model_.size, .pattern = Pattern{2}};
  make_pattern_file(model_.path, other.size, other.pattern);
  EXPECT_TRUE(load_in_order(other));
  EXPECT_TRUE(TestMount::wait_for([&] { return mount_->stats().ram_decoded_bytes == 0; }))
      << "its memory is given back";
}

}  // namespace
}  // namespace arenacache::test
