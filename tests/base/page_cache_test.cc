// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "support/temp_dir.h"

namespace arenacache::base {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kSize = 9 * kMiB + 5000;

class PageCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!pages_.cached_bytes(fd_.get(), {.offset = 0, .length = kPage})) GTEST_SKIP() << "this kernel has no cachestat";
    const std::vector<std::byte> content(kSize, std::byte{7});
    ASSERT_EQ(::pwrite(fd_.get(), content.data(), content.size(), 0), static_cast<ssize_t>(kSize));
    ASSERT_EQ(::fsync(fd_.get()), 0);
    ASSERT_EQ(::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    ASSERT_EQ(cached({.offset = 0, .length = kSize}), 0U);
  }
  std::uint64_t cached(Extent extent) { return pages_.cached_bytes(fd_.get(), extent).value_or(UINT64_MAX); }

  KernelPageCache pages_;
  test::TempDir folder_;
  UniqueFd fd_{::open((folder_.path() + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
};

TEST_F(PageCacheTest, BringsInTheWholeExtent) {
  pages_.read_ahead(fd_.get(), {.offset = 0, .length = kSize});
  EXPECT_GE(cached({.offset = 0, .length = kSize}), kSize);
}

TEST_F(PageCacheTest, ReadsNothingBehindTheExtent) {
  pages_.read_ahead(fd_.get(), {.offset = 2 * kMiB, .length = 4 * kMiB});
  EXPECT_EQ(cached({.offset = 2 * kMiB, .length = 4 * kMiB}), 4 * kMiB);
  EXPECT_EQ(cached({.offset = 0, .length = 2 * kMiB}), 0U);
  EXPECT_EQ(cached({.offset = 6 * kMiB, .length = kSize - 6 * kMiB}), 0U);
}

TEST_F(PageCacheTest, FillsUpWhatIsThereInPart) {
  std::byte one{};
  ASSERT_EQ(::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_RANDOM), 0);
  for (const std::uint64_t at : {kMiB, 2 * kMiB, 5 * kMiB - kPage}) {
    ASSERT_EQ(::pread(fd_.get(), &one, 1, static_cast<off_t>(at)), 1);
  }
  ASSERT_EQ(cached({.offset = 0, .length = kSize}), 3 * kPage);
  pages_.read_ahead(fd_.get(), {.offset = 0, .length = kSize});
  EXPECT_GE(cached({.offset = 0, .length = kSize}), kSize);
}

TEST_F(PageCacheTest, AFileThatEndsEarlierIsNoFault) {
  ASSERT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(kMiB)), 0);
  pages_.read_ahead(fd_.get(), {.offset = 0, .length = kSize});
  EXPECT_EQ(cached({.offset = 0, .length = kSize}), kMiB);
}

}  // namespace
}  // namespace arenacache::base
