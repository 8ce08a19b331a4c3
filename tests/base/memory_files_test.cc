// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/memory_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "support/matchers.h"

namespace arenacache::base {
namespace {

using test::must;

constexpr std::uint64_t kSize = (std::uint64_t{8} << 20U) + 5;

struct stat look_at(int fd) {
  struct stat status{};
  EXPECT_EQ(::fstat(fd, &status), 0);
  return status;
}

void expect_file_in_memory(const UniqueFd& file) {
  EXPECT_EQ(look_at(file.get()).st_size, static_cast<off_t>(kSize));
  EXPECT_EQ(look_at(file.get()).st_nlink, 0U) << "it has no name";
  EXPECT_NE(::fcntl(file.get(), F_GETFD) & FD_CLOEXEC, 0);
  char byte = 7;
  EXPECT_EQ(::pread(file.get(), &byte, 1, static_cast<off_t>(kSize) - 1), 1);
  EXPECT_EQ(byte, 0);
  EXPECT_EQ(::pwrite(file.get(), "x", 1, 3), 1);
  EXPECT_EQ(::pread(file.get(), &byte, 1, 3), 1);
  EXPECT_EQ(byte, 'x');
}

TEST(MemoryFiles, are_zeroed_and_have_no_name) {
  const MemoryFiles files;
  EXPECT_EQ(files.folder(), -1);
  expect_file_in_memory(must(files.create(kSize)));
}

TEST(MemoryFiles, have_huge_pages_where_that_can_be) {
  const MemoryFiles files = MemoryFiles::with_huge_pages();
  const UniqueFd file = must(files.create(kSize));
  expect_file_in_memory(file);
  if (files.folder() < 0) GTEST_SKIP() << "this process may not mount, or the kernel has no huge pages for tmpfs";
  constexpr std::int64_t kHugePage = std::int64_t{2} << 20U;
  EXPECT_GE(look_at(file.get()).st_blocks * 512, kHugePage) << "one byte was written";
  struct stat status{};
  const std::string link = text("/proc/self/fd/", files.folder());
  ASSERT_EQ(::stat(link.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
}

TEST(MemoryFiles, are_apart_from_one_another) {
  const MemoryFiles files = MemoryFiles::with_huge_pages();
  const UniqueFd one = must(files.create(kSize));
  const UniqueFd other = must(files.create(kSize));
  EXPECT_EQ(::pwrite(one.get(), "secret", 6, 0), 6);
  char byte = 1;
  EXPECT_EQ(::pread(other.get(), &byte, 1, 0), 1);
  EXPECT_EQ(byte, 0);
}

}  // namespace
}  // namespace arenacache::base
