// SPDX-License-Identifier: Apache-2.0
// Reads that are no load must copy nothing: scans of headers and tails, and programs that read everything once.
#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mount/child_process.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

constexpr std::uint64_t kModels = ARENACACHE_IS_SANITIZED ? 100 : 500;
constexpr std::uint64_t kSize = 64 * kMiB;

std::string name_of(std::uint64_t index) { return "model-" + std::to_string(index) + ".safetensors"; }

class HeadersTest : public ModelTest {
 protected:
  /// Reads 100 KB of each of many models at `offset`, and expects no copy and less than 2 MiB a file from the origin.
  static void expect_no_copies(std::uint64_t offset, std::size_t step) {
    TestMount mount;
    for (std::uint64_t index = 0; index < kModels; ++index) make_sparse_file(mount.from(name_of(index)), kSize);
    ASSERT_NO_FATAL_FAILURE(mount.start());
    std::vector<char> buffer(step);
    for (std::uint64_t index = 0; index < kModels; ++index) {
      const base::UniqueFd fd(::open(mount.at(name_of(index)).c_str(), O_RDONLY | O_CLOEXEC));
      for (std::uint64_t done = 0; done < 100'000; done += step) {
        ASSERT_EQ(::pread(fd.get(), buffer.data(), step, static_cast<off_t>(offset + done)),
                  static_cast<ssize_t>(step));
      }
    }
    const Stats after = mount.stats();
    EXPECT_EQ(after.fills_active, 0U);
    EXPECT_EQ(after.fills_queued, 0U);
    EXPECT_EQ(after.fills_completed, 0U);
    EXPECT_LT(after.origin_read_bytes, kModels * 2 * kMiB);
  }
};

TEST_F(HeadersTest, ReadAtOnceStartNoCopy) { expect_no_copies(0, 100'000); }

TEST_F(HeadersTest, ReadInSmallStepsStartNoCopy) { expect_no_copies(0, 10'000); }

TEST_F(HeadersTest, AtTheTailStartNoCopy) { expect_no_copies(kSize - 100'000, 100'000); }

TEST_F(HeadersTest, FollowedByALoadStartACopy) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model", kSize);
  EXPECT_TRUE(peek(model, 0, 100'000));
  EXPECT_TRUE(peek(model, kSize - 100'000, 100'000));
  EXPECT_EQ(mount.stats().fills_queued + mount.stats().fills_active + mount.stats().fills_completed, 0U);
  EXPECT_TRUE(load_in_order(model));
  mount.wait_resident("model");
}

/// Model managers read a preview and a JSON beside every model, and every header, again and again.
TEST_F(HeadersTest, SmallFilesAndHeadersCostTheOriginNothingTheSecondTime) {
  const bool is_long = std::getenv("ARENACACHE_TEST_LONG") != nullptr;  // NOLINT(concurrency-mt-unsafe): nobody sets it
  const std::uint64_t previews = is_long ? 5000 : ARENACACHE_IS_SANITIZED ? 200 : 1000;
  constexpr std::uint64_t kPreviewBytes = 3'000;
  TestMount mount;
  for (std::uint64_t index = 0; index < previews; ++index) {
    make_pattern_file(mount.from("preview-" + std::to_string(index)), kPreviewBytes, Pattern{index % 7});
  }
  for (std::uint64_t index = 0; index < 100; ++index) make_sparse_file(mount.from(name_of(index)), kSize);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto read_all = [&] {
    for (std::uint64_t index = 0; index < previews; ++index) {
      ASSERT_TRUE(file_is(mount.at("preview-" + std::to_string(index)), kPreviewBytes, Pattern{index % 7}));
    }
    for (std::uint64_t index = 0; index < 100; ++index) {
      drop_pages(mount.at(name_of(index)));
      std::vector<char> header(100'000);
      const base::UniqueFd fd(::open(mount.at(name_of(index)).c_str(), O_RDONLY | O_CLOEXEC));
      ASSERT_EQ(::pread(fd.get(), header.data(), header.size(), 0), static_cast<ssize_t>(header.size()));
    }
  };
  ASSERT_NO_FATAL_FAILURE(read_all());
  mount.wait_idle();
  for (std::uint64_t index = 0; index < previews; ++index) drop_pages(mount.at("preview-" + std::to_string(index)));
  EXPECT_EQ(origin_bytes_of(mount, [&] { read_all(); }), 0U);
  // A stop writes out for five seconds at most; what a disk that is busy left over is read once more.
  const std::uint64_t once = mount.stats().origin_read_bytes;
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  EXPECT_LT(origin_bytes_of(mount, [&] { read_all(); }), once / 2) << "after a restart";
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  EXPECT_EQ(origin_bytes_of(mount, [&] { read_all(); }), 0U) << "after another";
}

class IgnoredCommandsTest : public ModelTest {};

TEST_F(IgnoredCommandsTest, HashingMoreThanTheCapacityEvictsNothing) {
  const std::string hasher = find_program("sha256sum");
  if (hasher.empty()) GTEST_SKIP() << "there is no sha256sum here";
  TestMount mount({.capacity = "64MiB"});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model kept = add_model(mount, "kept", 16 * kMiB);
  make_resident(mount, "kept", kept);
  std::vector<std::string> command{hasher};
  for (std::uint64_t index = 0; index < 6; ++index) {
    add_model(mount, name_of(index), 16 * kMiB, Pattern{10 + index});
    command.push_back(mount.at(name_of(index)));
  }
  command.push_back(kept.path);
  const Stats before = mount.stats();
  const Finished through_mount = run_program(command);
  EXPECT_EQ(through_mount.exit_code, 0) << through_mount.output;
  mount.wait_idle();
  const Stats after = mount.stats();
  EXPECT_EQ(after.evicted_objects, 0U);
  EXPECT_EQ(after.fills_completed, before.fills_completed);
  EXPECT_EQ(after.objects, 1U);
  // A kernel that is short of memory drops a page that was read ahead, and asks for it again.
  const std::uint64_t read = after.origin_read_bytes - before.origin_read_bytes;
  EXPECT_GE(read, 96 * kMiB);
  EXPECT_LT(read, 97 * kMiB) << "what is cached is used, the rest read once";
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(load_in_order(kept)); }), 0U);
}

TEST_F(IgnoredCommandsTest, AnotherProgramOfTheOwnersListIsIgnoredToo) {
  const std::string reader = find_program("cat");
  if (reader.empty()) GTEST_SKIP() << "there is no cat here";
  TestMount mount({.flags = {{"--cache-ignore-commands", "cat"}}});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  EXPECT_EQ(run_program({reader, model.path}).exit_code, 0);
  mount.wait_idle();
  EXPECT_EQ(mount.stats().objects, 0U);
  make_resident(mount, "model", model);
}

}  // namespace
}  // namespace arenacache::test
