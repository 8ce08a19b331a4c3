// SPDX-License-Identifier: Apache-2.0
#include "support/fake_origin.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "support/matchers.h"
#include "support/simulated_clock.h"

namespace arenacache::test {
namespace {

using namespace std::chrono_literals;

class FakeOriginTest : public testing::Test {
 protected:
  std::shared_ptr<origin::OriginFile> open(const std::string& path, int flags = O_RDONLY) {
    return must(fake_.open(path, flags, nullptr));
  }
  static std::string read(origin::OriginFile& file, std::size_t length, std::uint64_t offset = 0) {
    std::string out(length, '\0');
    out.resize(must(file.read_at(std::as_writable_bytes(std::span(out)), offset)));
    return out;
  }
  template <class T>
  static int errno_of(const base::Result<T>& result) {
    return result ? 0 : result.error().errno_value;
  }

  SimulatedClock clock_;
  FakeOrigin fake_{clock_};
  const origin::Caller user_{.uid = 7, .gid = 8, .groups = {}, .umask = 022};
};

TEST_F(FakeOriginTest, CountsCallsAndBytes) {
  fake_.put("a/model", "0123456789");
  const auto file = open("a/model");
  EXPECT_EQ(read(*file, 4, 8), "89");
  EXPECT_EQ(read(*file, 4), "0123");
  EXPECT_EQ(fake_.read_bytes(), 6U);
  EXPECT_EQ(fake_.calls(OriginCall::read), 2U);
  EXPECT_EQ(fake_.calls(OriginCall::open), 1U);
  EXPECT_EQ(fake_.reads().front().offset, 8U);
  fake_.reset_counts();
  EXPECT_EQ(fake_.read_bytes(), 0U);
  EXPECT_EQ(fake_.calls(OriginCall::read), 0U);
}

TEST_F(FakeOriginTest, RandomContentDependsOnTheSeedAlone) {
  const std::string one = fake_.put_random("one", 100'003, 1);
  EXPECT_EQ(one.size(), 100'003U);
  EXPECT_EQ(fake_.put_random("again", 100'003, 1), one);
  EXPECT_NE(fake_.put_random("two", 100'003, 2), one);
}

TEST_F(FakeOriginTest, AGateHoldsCallsUntilItOpens) {
  fake_.put("f", "x");
  fake_.close_gate(OriginCall::stat);
  std::jthread one([&] { EXPECT_TRUE(is_ok(fake_.stat("f"))); });
  std::jthread two([&] { EXPECT_TRUE(is_ok(fake_.stat("f"))); });
  ASSERT_TRUE(fake_.await_held(OriginCall::stat, 2));
  EXPECT_TRUE(is_ok(fake_.list("")));  // other kinds pass
  fake_.let_through(OriginCall::stat, 1);
  fake_.open_gate(OriginCall::stat);
}

TEST_F(FakeOriginTest, FailsTheNextCallsAndNoMore) {
  fake_.put("f", "x");
  fake_.fail_next(OriginCall::open, 2, EIO);
  EXPECT_EQ(errno_of(fake_.open("f", O_RDONLY, nullptr)), EIO);
  EXPECT_EQ(errno_of(fake_.open("f", O_RDONLY, nullptr)), EIO);
  EXPECT_TRUE(is_ok(fake_.open("f", O_RDONLY, nullptr)));
}

TEST_F(FakeOriginTest, ContentChangesInTheMiddleOfARead) {
  fake_.put("f", "aaaaaaaa");
  const auto file = open("f");
  fake_.after_bytes("f", 3, [&] { fake_.put("f", "bbbbbbbb"); });
  EXPECT_EQ(read(*file, 8), "aaabbbbb");
  EXPECT_EQ(read(*file, 8), "bbbbbbbb");
}

TEST_F(FakeOriginTest, ReadsAreCutShortAsByALineThatDies) {
  fake_.put("f", "0123456789");
  fake_.shorten_next_reads(1, 0);
  const auto file = open("f");
  EXPECT_EQ(read(*file, 10), "");
  EXPECT_EQ(read(*file, 10), "0123456789");
}

TEST_F(FakeOriginTest, TimesComeFromTheClockInTheOriginsGranularity) {
  fake_.put("f", "x");
  const auto first = fake_.attributes("f");
  clock_.advance(5ms);
  fake_.put("f", "y");
  EXPECT_EQ(fake_.attributes("f").st_mtim.tv_nsec, first.st_mtim.tv_nsec);
  clock_.advance(5ms);
  fake_.put("f", "z");
  EXPECT_NE(fake_.attributes("f").st_mtim.tv_nsec, first.st_mtim.tv_nsec);
  fake_.set_fidelity(FakeOrigin::sshfs_fidelity());
  fake_.put("f", "w");
  EXPECT_EQ(fake_.attributes("f").st_mtim.tv_nsec, 0);
  EXPECT_EQ(fake_.attributes("f").st_ino, first.st_ino);
}

TEST_F(FakeOriginTest, AReplacedFileIsAnotherOneForThoseWhoHoldTheOld) {
  fake_.put("f", "old");
  const auto file = open("f");
  const auto before = fake_.attributes("f");
  fake_.replace("f", "new");
  EXPECT_EQ(read(*file, 3), "old");
  EXPECT_NE(fake_.attributes("f").st_ino, before.st_ino);
  fake_.erase("f");
  EXPECT_FALSE(fake_.exists("f"));
}

TEST_F(FakeOriginTest, WritesLandAndMoveTheTime) {
  const auto file = must(fake_.create("f", {.flags = O_CREAT | O_EXCL | O_RDWR, .mode = 0666}, user_));
  EXPECT_EQ(fake_.attributes("f").st_mode, static_cast<mode_t>(S_IFREG | 0644));
  EXPECT_EQ(fake_.attributes("f").st_uid, 7U);
  const auto before = fake_.attributes("f");
  clock_.advance(1s);
  EXPECT_EQ(must(file->write_at(std::as_bytes(std::span("xyz", 3)), 2, false)), 3U);
  EXPECT_EQ(must(file->write_at(std::as_bytes(std::span("!", 1)), 0, true)), 1U);
  EXPECT_EQ(fake_.content("f"), std::string("\0\0xyz!", 6));
  EXPECT_GT(fake_.attributes("f").st_mtim.tv_sec, before.st_mtim.tv_sec);
  EXPECT_TRUE(is_ok(file->truncate(3)));
  EXPECT_EQ(must(file->stat()).st_size, 3);
  EXPECT_EQ(errno_of(open("f", O_WRONLY)->read_at({}, 0)), EBADF);
  EXPECT_EQ(errno_of(open("f")->write_at({}, 0, false)), EBADF);
}

TEST_F(FakeOriginTest, TheTreeHasTheErrnosOfAFileSystem) {
  fake_.put("d/f", "x");
  EXPECT_EQ(errno_of(fake_.stat("no")), ENOENT);
  EXPECT_EQ(errno_of(fake_.stat("d/f/g")), ENOTDIR);
  EXPECT_EQ(errno_of(fake_.stat("../d")), EINVAL);
  EXPECT_EQ(errno_of(fake_.remove_directory("d", user_)), ENOTEMPTY);
  EXPECT_EQ(errno_of(fake_.unlink("d", user_)), EISDIR);
  EXPECT_EQ(errno_of(fake_.make_directory("d", 0755, user_)), EEXIST);
  EXPECT_EQ(errno_of(fake_.create("d/f", {.flags = O_CREAT | O_EXCL, .mode = 0600}, user_)), EEXIST);
  EXPECT_EQ(errno_of(fake_.rename("d", "d/e", 0, user_)), EINVAL);
  fake_.put("g", "y");
  EXPECT_EQ(errno_of(fake_.rename("g", "d/f", RENAME_NOREPLACE, user_)), EEXIST);
  EXPECT_TRUE(is_ok(fake_.rename("g", "d/f", RENAME_EXCHANGE, user_)));
  EXPECT_EQ(fake_.content("g"), "x");
  EXPECT_TRUE(is_ok(fake_.make_link("g", "h", user_)));
  EXPECT_EQ(fake_.attributes("h").st_nlink, 2U);
  EXPECT_TRUE(is_ok(fake_.make_symlink("s", "target", user_)));
  EXPECT_EQ(must(fake_.read_link("s")), "target");
  EXPECT_EQ(errno_of(fake_.open("s", O_RDONLY, nullptr)), ELOOP);
}

TEST_F(FakeOriginTest, FoldersAreListedAndTheirLinksCounted) {
  fake_.put("d/one", "1");
  EXPECT_TRUE(is_ok(fake_.make_directory("d/sub", 0755, user_)));
  const auto entries = must(fake_.list("d"));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].name, "one");
  EXPECT_EQ(entries[1].inode, fake_.attributes("d/sub").st_ino);
  EXPECT_EQ(fake_.attributes("d").st_nlink, 3U);
  EXPECT_TRUE(is_ok(fake_.rename("d/sub", "sub", 0, user_)));
  EXPECT_EQ(fake_.attributes("d").st_nlink, 2U);
  const std::array<std::string, 2> names{"one", "two"};
  const auto found = must(fake_.stat_names("d", names));
  EXPECT_EQ(must(found[0]).st_size, 1);
  EXPECT_EQ(errno_of(found[1]), ENOENT);
}

TEST_F(FakeOriginTest, XattrsAndAttributesChange) {
  fake_.put("f", "x");
  EXPECT_TRUE(is_ok(fake_.set_xattr("f", "user.a", "1", XATTR_CREATE, user_)));
  EXPECT_EQ(errno_of(fake_.set_xattr("f", "user.a", "1", XATTR_CREATE, user_)), EEXIST);
  EXPECT_EQ(must(fake_.get_xattr("f", "user.a")), "1");
  EXPECT_EQ(must(fake_.list_xattrs("f")), std::string("user.a\0", 7));
  EXPECT_TRUE(is_ok(fake_.remove_xattr("f", "user.a", user_)));
  EXPECT_EQ(errno_of(fake_.get_xattr("f", "user.a")), ENODATA);
  EXPECT_TRUE(is_ok(fake_.set_attributes("f", {.mode = 0600, .uid = 3, .size = 5}, user_)));
  EXPECT_EQ(fake_.attributes("f").st_mode, static_cast<mode_t>(S_IFREG | 0600));
  EXPECT_EQ(fake_.attributes("f").st_size, 5);
}

}  // namespace
}  // namespace arenacache::test
