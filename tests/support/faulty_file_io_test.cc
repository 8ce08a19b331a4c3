// SPDX-License-Identifier: Apache-2.0
#include "support/faulty_file_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::test {
namespace {

using base::ErrorKind;
using base::UniqueFd;

std::span<const std::byte> bytes(std::string_view words) { return std::as_bytes(std::span(words)); }

class FaultyFileIoTest : public testing::Test {
 protected:
  UniqueFd create(const std::string& name) { return must(io_.open(dir_.path(name), O_RDWR | O_CREAT, 0600)); }
  void write(const UniqueFd& fd, std::string_view words, std::uint64_t offset = 0) {
    must(io_.write_at(fd.get(), bytes(words), offset));
  }
  /// A file that survives a power cut.
  UniqueFd create_durable(const std::string& name, std::string_view words) {
    UniqueFd fd = create(name);
    write(fd, words);
    must(io_.sync_data(fd.get()));
    must(io_.sync_directory(dir_.path()));
    return fd;
  }
  [[nodiscard]] std::vector<std::string> names() { return must(io_.list(dir_.path())); }

  TempDir dir_;
  FaultyFileIo io_;
};

TEST_F(FaultyFileIoTest, fails_the_nth_call_of_any_kind_once) {
  const UniqueFd fd = create("a");
  io_.fail_nth(2, EIO);
  EXPECT_TRUE(is_ok(io_.sync_data(fd.get())));
  EXPECT_TRUE(has_kind(io_.stat(dir_.path("a")), ErrorKind::store));
  EXPECT_TRUE(is_ok(io_.stat(dir_.path("a"))));
}

TEST_F(FaultyFileIoTest, opens_only_the_ordinary_way_when_told) {
  create("a");
  io_.refuse_direct();
  const auto direct = io_.open(dir_.path("a"), O_RDONLY | O_DIRECT, 0);
  ASSERT_TRUE(has_kind(direct, ErrorKind::store));
  EXPECT_EQ(direct.error().errno_value, EINVAL);
  EXPECT_TRUE(is_ok(io_.open(dir_.path("a"), O_RDONLY, 0)));
}

TEST_F(FaultyFileIoTest, fails_the_nth_call_of_one_kind) {
  const UniqueFd fd = create("a");
  io_.fail_nth(FileCall::write_at, 2, ENOSPC);
  EXPECT_TRUE(is_ok(io_.write_at(fd.get(), bytes("one"), 0)));
  EXPECT_TRUE(is_ok(io_.sync_data(fd.get())));
  const auto failed = io_.write_at(fd.get(), bytes("two"), 0);
  ASSERT_TRUE(has_kind(failed, ErrorKind::no_space));
  EXPECT_EQ(failed.error().errno_value, ENOSPC);
  EXPECT_EQ(dir_.read_file("a"), "one");
  EXPECT_EQ(io_.written_bytes(), 3U);
}

TEST_F(FaultyFileIoTest, fails_for_good_until_healed) {
  const UniqueFd fd = create("a");
  io_.fail_from(2, EIO);
  EXPECT_TRUE(is_ok(io_.stat_fd(fd.get())));
  EXPECT_FALSE(is_ok(io_.stat_fd(fd.get())));
  EXPECT_FALSE(is_ok(io_.list(dir_.path())));
  io_.heal();
  EXPECT_TRUE(is_ok(io_.list(dir_.path())));
}

TEST_F(FaultyFileIoTest, tears_a_write) {
  const UniqueFd fd = create("a");
  io_.tear_nth_write(1, 4, EIO);
  EXPECT_TRUE(has_kind(io_.write_at(fd.get(), bytes("half done"), 0), ErrorKind::store));
  EXPECT_EQ(dir_.read_file("a"), "half");
}

TEST_F(FaultyFileIoTest, counts_calls_by_kind) {
  const UniqueFd fd = create("a");
  write(fd, "x");
  write(fd, "y", 1);
  EXPECT_EQ(io_.count(FileCall::open), 1U);
  EXPECT_EQ(io_.count(FileCall::write_at), 2U);
  EXPECT_EQ(io_.count(FileCall::read_at), 0U);
  EXPECT_EQ(io_.count(), 3U);
}

TEST_F(FaultyFileIoTest, pretends_the_space_of_a_disk) {
  io_.pretend_space({.total_bytes = 1000, .free_bytes = 10});
  EXPECT_EQ(must(io_.disk_space(dir_.path())).free_bytes, 10U);
  io_.heal();
  EXPECT_GT(must(io_.disk_space(dir_.path())).total_bytes, 1000U);
}

TEST_F(FaultyFileIoTest, a_power_cut_keeps_what_was_synced) {
  create_durable("a", "kept");
  io_.lose_unsynced();
  EXPECT_EQ(dir_.read_file("a"), "kept");
}

TEST_F(FaultyFileIoTest, a_power_cut_takes_a_file_whose_directory_was_not_synced) {
  const UniqueFd fd = create("a");
  write(fd, "synced bytes");
  must(io_.sync_data(fd.get()));
  io_.lose_unsynced();
  EXPECT_TRUE(names().empty());
}

TEST_F(FaultyFileIoTest, a_power_cut_takes_back_unsynced_bytes_and_sizes) {
  const UniqueFd fd = create_durable("a", "0123456789");
  write(fd, "xx", 2);
  write(fd, "longer", 10);
  must(io_.truncate(fd.get(), 3));
  io_.lose_unsynced();
  EXPECT_EQ(dir_.read_file("a"), "0123456789");
}

TEST_F(FaultyFileIoTest, a_power_cut_leaves_an_empty_file_where_only_the_name_was_synced) {
  const UniqueFd fd = create("a");
  write(fd, "bytes");
  must(io_.sync_directory(dir_.path()));
  io_.lose_unsynced();
  EXPECT_EQ(dir_.read_file("a"), "");
}

TEST_F(FaultyFileIoTest, a_power_cut_undoes_truncation_at_open) {
  create_durable("a", "before");
  must(io_.open(dir_.path("a"), O_RDWR | O_CREAT | O_TRUNC, 0600));
  io_.lose_unsynced();
  EXPECT_EQ(dir_.read_file("a"), "before");
}

TEST_F(FaultyFileIoTest, a_power_cut_brings_back_an_unlinked_file) {
  create_durable("a", "back");
  must(io_.unlink(dir_.path("a")));
  EXPECT_TRUE(names().empty());
  io_.lose_unsynced();
  EXPECT_EQ(dir_.read_file("a"), "back");
}

TEST_F(FaultyFileIoTest, a_power_cut_undoes_a_rename_over_a_file) {
  create_durable("old", "old");
  create_durable("new", "new");
  must(io_.rename(dir_.path("new"), dir_.path("old")));
  EXPECT_EQ(dir_.read_file("old"), "new");
  io_.lose_unsynced();
  EXPECT_EQ(dir_.read_file("old"), "old");
  EXPECT_EQ(dir_.read_file("new"), "new");
}

TEST_F(FaultyFileIoTest, a_power_cut_takes_back_a_link_and_leaves_the_file) {
  create_durable("old", "old");
  must(io_.link(dir_.path("old"), dir_.path("new")));
  EXPECT_EQ(dir_.read_file("new"), "old");
  EXPECT_FALSE(is_ok(io_.link(dir_.path("old"), dir_.path("new")))) << "it is there";
  io_.lose_unsynced();
  EXPECT_EQ(names(), std::vector<std::string>{"old"});
  EXPECT_EQ(dir_.read_file("old"), "old");
}

TEST_F(FaultyFileIoTest, a_synced_rename_stays) {
  create_durable("old", "old");
  create_durable("new", "new");
  must(io_.rename(dir_.path("new"), dir_.path("old")));
  must(io_.sync_directory(dir_.path()));
  io_.lose_unsynced();
  EXPECT_EQ(dir_.read_file("old"), "new");
  EXPECT_EQ(names(), std::vector<std::string>{"old"});
}

TEST_F(FaultyFileIoTest, a_power_cut_takes_a_directory_with_what_is_in_it) {
  must(io_.make_directory(dir_.path("sub")));
  const UniqueFd fd = create("sub/a");
  must(io_.sync_data(fd.get()));
  must(io_.sync_directory(dir_.path("sub")));
  io_.lose_unsynced();
  EXPECT_TRUE(names().empty());
}

}  // namespace
}  // namespace arenacache::test
