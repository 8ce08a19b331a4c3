// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/layout.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "support/faulty_file_io.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::is_ok;
using test::must;

mode_t mode_of(const std::string& path) {
  struct stat raw = {};
  EXPECT_EQ(::stat(path.c_str(), &raw), 0) << path;
  return raw.st_mode & 0777U;
}

class LayoutTest : public testing::Test {
 protected:
  base::Result<StoreFolder> open() { return open_store_folder(io_, path_); }
  /// Refused with ErrorKind::invalid and a sentence with these words.
  void expect_refused(const std::string& words) {
    const auto folder = open();
    ASSERT_TRUE(has_kind(folder, ErrorKind::invalid));
    EXPECT_NE(folder.error().what.find(words), std::string::npos) << folder.error().what;
    EXPECT_NE(folder.error().what.find(path_), std::string::npos) << folder.error().what;
  }

  test::TempDir dir_;
  test::FaultyFileIo io_;
  std::string path_ = dir_.path("deep/er/store");
};

TEST_F(LayoutTest, makes_a_private_folder_and_opens_it_again) {
  {
    const StoreFolder folder = must(open());
    EXPECT_EQ(folder.index_path(), path_ + "/index.db");
    EXPECT_EQ(folder.raw_path(), path_ + "/raw");
  }
  EXPECT_EQ(dir_.read_file("deep/er/store/VERSION"), "1\n");
  EXPECT_EQ(mode_of(path_), 0700U);
  EXPECT_EQ(mode_of(path_ + "/VERSION"), 0600U);
  EXPECT_EQ(mode_of(path_ + "/lock"), 0600U);
  EXPECT_TRUE(is_ok(open()));
}

TEST_F(LayoutTest, a_second_daemon_is_refused_and_told_who_has_it) {
  const StoreFolder first = must(open());
  expect_refused(std::to_string(::getpid()));
}

TEST_F(LayoutTest, the_lock_ends_with_the_object) {
  {
    const StoreFolder first = must(open());
  }
  EXPECT_TRUE(is_ok(open()));
}

TEST_F(LayoutTest, a_newer_store_is_refused_not_reset) {
  dir_.write_file("deep/er/store/VERSION", "2\n");
  dir_.write_file("deep/er/store/raw/ab/x", "of the future");
  expect_refused("format 2");
  EXPECT_EQ(dir_.read_file("deep/er/store/VERSION"), "2\n");
  EXPECT_EQ(dir_.read_file("deep/er/store/raw/ab/x"), "of the future");
}

TEST_F(LayoutTest, a_version_file_of_something_else_is_refused) {
  for (const char* words : {"", "one\n", "1", "1\nmore", "0\n", "18446744073709551616\n"}) {
    dir_.write_file("deep/er/store/VERSION", words);
    expect_refused("VERSION");
  }
}

TEST_F(LayoutTest, a_packed_tier_keeps_its_identity_and_no_other_has_it) {
  const std::string first = dir_.path("first"), second = dir_.path("second");
  const std::uint64_t identity = must(open_packed_folder(io_, first)).identity;
  EXPECT_NE(identity, 0U);
  EXPECT_EQ(must(open_packed_folder(io_, first, identity)).identity, identity);
  EXPECT_NE(must(open_packed_folder(io_, second)).identity, identity);
  const auto other = open_packed_folder(io_, second, identity);
  ASSERT_TRUE(has_kind(other, ErrorKind::store));
  EXPECT_EQ(other.error().errno_value, ENODEV);
  EXPECT_NE(other.error().what.find("another packed tier"), std::string::npos) << other.error().what;
  dir_.write_file("first/identity", "not a number");
  const std::uint64_t fresh = must(open_packed_folder(io_, first, identity)).identity;
  EXPECT_NE(fresh, identity) << "it is a tier, and not known to be that one";
  EXPECT_EQ(must(open_packed_folder(io_, first)).identity, fresh);
}

TEST_F(LayoutTest, where_a_packed_tier_is_expected_none_is_made) {
  const std::string path = dir_.path("mnt/tier");
  for (const bool is_there : {false, true}) {
    if (is_there) std::filesystem::create_directories(path);
    const auto opened = open_packed_folder(io_, path, 17);
    ASSERT_TRUE(has_kind(opened, ErrorKind::store));
    EXPECT_EQ(opened.error().errno_value, ENODEV);
    EXPECT_NE(opened.error().what.find(is_there ? "is empty" : "is not there"), std::string::npos)
        << opened.error().what;
    EXPECT_EQ(std::filesystem::exists(path), is_there);
  }
  EXPECT_TRUE(std::filesystem::is_empty(path));
}

TEST_F(LayoutTest, a_store_and_a_packed_tier_are_not_taken_for_each_other) {
  must(open());
  const auto as_tier = open_packed_folder(io_, path_);
  ASSERT_TRUE(has_kind(as_tier, ErrorKind::invalid));
  EXPECT_NE(as_tier.error().what.find("it is a store"), std::string::npos) << as_tier.error().what;
  path_ += "/packed";
  must(open_packed_folder(io_, path_));
  EXPECT_EQ(dir_.read_file("deep/er/store/packed/VERSION"), "packed 1\n");
  expect_refused("it is a packed tier");
  EXPECT_TRUE(is_ok(open_packed_folder(io_, path_)));
  dir_.write_file("deep/er/store/packed/VERSION", "packed 2\n");
  EXPECT_TRUE(has_kind(open_packed_folder(io_, path_), ErrorKind::invalid));
  path_ = dir_.path("deep/er/store");
  EXPECT_TRUE(is_ok(open())) << "a packed tier may lie in a store";
}

TEST_F(LayoutTest, somebodys_folder_is_refused_and_stays_as_it_was) {
  dir_.write_file("deep/er/store/photo.jpg", "a cat");
  expect_refused("photo.jpg");
  EXPECT_EQ(must(io_.list(path_)).size(), 1U);
}

TEST_F(LayoutTest, an_empty_file_system_is_no_ones_folder) {
  dir_.make_dir("deep/er/store/lost+found");
  EXPECT_TRUE(is_ok(open()));
}

TEST_F(LayoutTest, a_path_that_is_a_file_is_an_error) {
  dir_.write_file("deep/er/store", "no folder");
  EXPECT_FALSE(is_ok(open()));
}

TEST_F(LayoutTest, a_start_cut_short_anywhere_is_made_up_for_by_the_next) {
  for (std::size_t n = 1;; ++n) {
    path_ = dir_.path("round-" + std::to_string(n) + "/store");
    const std::size_t before = io_.count();
    io_.fail_from(n, EIO);
    const bool was_reached = !open().has_value();
    const bool was_touched = io_.count() - before >= n;
    io_.lose_unsynced();
    io_.heal();
    EXPECT_TRUE(is_ok(open())) << "after a power cut at call " << n;
    if (!was_touched) break;
    EXPECT_TRUE(was_reached) << n;
  }
}

}  // namespace
}  // namespace arenacache::store
