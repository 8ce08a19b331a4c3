// SPDX-License-Identifier: Apache-2.0
// The worker's memory: bounded while gigabytes are filled, small when idle. Sanitizers' own memory is not ours to bound.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"
#include "mount/resources.h"

namespace arenacache::test {
namespace {

/// 4 GiB in the long run, else 1 GiB.
std::uint64_t filled_bytes() {
  const bool is_long = std::getenv("ARENACACHE_TEST_LONG") != nullptr;  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return (is_long ? 4096 : 1024) * kMiB;
}

class MemoryTest : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    if (ARENACACHE_IS_SANITIZED) GTEST_SKIP() << "sanitizers take memory of their own";
  }
};

TEST_F(MemoryTest, IsSmallWhenIdle) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  ASSERT_GT(mount.worker(), 0);
  EXPECT_LT(memory_of(mount.worker(), "VmRSS"), 48U);
}

TEST_F(MemoryTest, IsBoundedWhileGigabytesAreFilled) {
  constexpr std::uint64_t kFile = 512 * kMiB;
  TestMount mount({.capacity = "8GiB", .watchdog = std::chrono::seconds(220)});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const std::uint64_t files = filled_bytes() / kFile;
  for (std::uint64_t index = 0; index < files; ++index)
    make_sparse_file(mount.from(base::text("model-", index)), kFile);
  const auto read_whole = [&](int which) {
    const base::UniqueFd fd(::open(mount.at(base::text("model-", which)).c_str(), O_RDONLY | O_CLOEXEC));
    std::vector<char> buffer(4 * kMiB);
    std::uint64_t done = 0;
    for (ssize_t got = 0; (got = ::read(fd.get(), buffer.data(), buffer.size())) > 0;)
      done += static_cast<std::uint64_t>(got);
    return done == kFile ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << "read " << done << " bytes";
  };
  EXPECT_TRUE(in_threads(static_cast<int>(files), read_whole));
  for (std::uint64_t index = 0; index < files; ++index)
    mount.wait_resident(base::text("model-", index), std::chrono::seconds(90));
  EXPECT_LT(memory_of(mount.worker(), "VmHWM"), 256U);
}

}  // namespace
}  // namespace arenacache::test
