// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/file_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::base {
namespace {

using test::has_kind;
using test::is_ok;
using test::must;

class FileIoTest : public testing::Test {
 protected:
  UniqueFd create(std::string_view name) { return must(io_.open(dir_.path(name), O_RDWR | O_CREAT, 0600)); }

  test::TempDir dir_;
  PosixFileIo io_;
};

TEST_F(FileIoTest, opens_with_close_on_exec) {
  const UniqueFd fd = create("a");
  EXPECT_NE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(FileIoTest, reads_to_the_end_past_the_page_cache) {
  const std::vector<std::byte> written(5'000, std::byte{7});  // ends within a sector
  EXPECT_TRUE(is_ok(io_.write_at(create("a").get(), written, 0)));
  const auto fd = io_.open(dir_.path("a"), O_RDONLY | O_DIRECT, 0);
  if (!fd) GTEST_SKIP() << "no O_DIRECT here";
  Buffer read(3 * 4096);
  EXPECT_EQ(must(io_.read_at(fd->get(), read.span(), 0)), written.size());
  EXPECT_TRUE(std::ranges::equal(read.span().first(written.size()), written));
}

TEST_F(FileIoTest, reads_what_was_written_and_stops_at_the_end) {
  const UniqueFd fd = create("a");
  const std::string_view words = "written";
  EXPECT_TRUE(is_ok(io_.write_at(fd.get(), std::as_bytes(std::span(words)), 3)));
  std::array<char, 64> read{};
  EXPECT_EQ(must(io_.read_at(fd.get(), std::as_writable_bytes(std::span(read)), 3)), words.size());
  EXPECT_EQ(std::string_view(read.data(), words.size()), words);
  EXPECT_EQ(must(io_.stat_fd(fd.get())).size_bytes, 10U);
}

TEST_F(FileIoTest, says_what_could_not_be_done_to_what) {
  const auto missing = io_.open(dir_.path("none"), O_RDONLY, 0);
  ASSERT_TRUE(has_kind(missing, ErrorKind::store));
  EXPECT_EQ(missing.error().errno_value, ENOENT);
  EXPECT_EQ(missing.error().what, text("cannot open ", dir_.path("none"), ": No such file or directory"));

  dir_.write_file("a", "x");
  const UniqueFd fd = must(io_.open(dir_.path("a"), O_RDONLY, 0));
  const std::array<std::byte, 1> byte{};
  const auto failed = io_.write_at(fd.get(), byte, 0);
  ASSERT_TRUE(has_kind(failed, ErrorKind::store));
  EXPECT_EQ(failed.error().what, text("cannot write ", dir_.path("a"), " at 0: Bad file descriptor"));
}

TEST_F(FileIoTest, takes_a_full_disk_for_no_space) {
  const UniqueFd full = must(io_.open("/dev/full", O_WRONLY, 0));
  const std::array<std::byte, 16> bytes{};
  const auto failed = io_.write_at(full.get(), bytes, 0);
  ASSERT_TRUE(has_kind(failed, ErrorKind::no_space));
  EXPECT_EQ(failed.error().errno_value, ENOSPC);
}

TEST_F(FileIoTest, reserves_space_without_changing_the_size) {
  const UniqueFd fd = create("a");
  EXPECT_TRUE(is_ok(io_.allocate(fd.get(), 0, 1 << 20)));
  EXPECT_TRUE(is_ok(io_.allocate(fd.get(), 0, 0)));
  EXPECT_EQ(must(io_.stat_fd(fd.get())).size_bytes, 0U);
  EXPECT_TRUE(is_ok(io_.truncate(fd.get(), 5)));
  EXPECT_TRUE(is_ok(io_.sync_data(fd.get())));
  EXPECT_EQ(must(io_.stat(dir_.path("a"))).size_bytes, 5U);
}

TEST_F(FileIoTest, renames_unlinks_and_lists) {
  create("a");
  create("b");
  EXPECT_TRUE(is_ok(io_.rename(dir_.path("a"), dir_.path("c"))));
  EXPECT_TRUE(is_ok(io_.unlink(dir_.path("b"))));
  EXPECT_TRUE(is_ok(io_.make_directory(dir_.path("d"))));
  EXPECT_TRUE(is_ok(io_.sync_directory(dir_.path())));
  auto names = must(io_.list(dir_.path()));
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"c", "d"}));
  EXPECT_TRUE(has_kind(io_.unlink(dir_.path("b")), ErrorKind::store));
  EXPECT_TRUE(has_kind(io_.list(dir_.path("none")), ErrorKind::store));
}

TEST_F(FileIoTest, links_a_file_and_replaces_nothing) {
  create("a");
  EXPECT_TRUE(is_ok(io_.link(dir_.path("a"), dir_.path("b"))));
  EXPECT_EQ(must(io_.stat(dir_.path("a"))).inode, must(io_.stat(dir_.path("b"))).inode);
  create("c");
  const auto there = io_.link(dir_.path("a"), dir_.path("c"));
  ASSERT_TRUE(has_kind(there, ErrorKind::store));
  EXPECT_EQ(there.error().errno_value, EEXIST);
}

TEST_F(FileIoTest, makes_a_directory_that_may_exist) {
  EXPECT_TRUE(is_ok(io_.make_directory(dir_.path("d"))));
  EXPECT_TRUE(is_ok(io_.make_directory(dir_.path("d"))));
  EXPECT_TRUE(must(io_.stat(dir_.path("d"))).is_directory);
  create("file");
  const auto failed = io_.make_directory(dir_.path("file"));
  ASSERT_TRUE(has_kind(failed, ErrorKind::store));
  EXPECT_EQ(failed.error().errno_value, ENOTDIR);
}

TEST_F(FileIoTest, knows_the_space_of_the_disk) {
  const DiskSpace space = must(io_.disk_space(dir_.path()));
  EXPECT_GT(space.total_bytes, 0U);
  EXPECT_LE(space.free_bytes, space.total_bytes);
}

}  // namespace
}  // namespace arenacache::base
