// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cerrno>
#include <thread>
#include <vector>

#include "origin_fixture.h"

namespace arenacache::test {
namespace {

using origin::Attributes;
using LocalChanges = LocalOriginTest;

constexpr timespec kOld{.tv_sec = 1'000'000'000, .tv_nsec = 123'456'789};

TEST_F(LocalChanges, CreateMakesAndTruncatesAsAsked) {
  const auto fresh = must(origin_->create("f", {.flags = O_CREAT | O_EXCL | O_WRONLY, .mode = 0666}, me()));
  EXPECT_EQ(must(fresh->stat()).st_mode, static_cast<mode_t>(S_IFREG | 0644));
  EXPECT_EQ(must(fresh->write_at(bytes_of("12345"), 0, false)), 5U);
  EXPECT_EQ(errno_of(origin_->create("f", {.flags = O_CREAT | O_EXCL | O_RDWR, .mode = 0666}, me())), EEXIST);
  EXPECT_EQ(read_all(*must(origin_->create("f", {.flags = O_CREAT | O_RDWR, .mode = 0600}, me()))), "12345");
  EXPECT_EQ(read_all(*must(origin_->create("f", {.flags = O_CREAT | O_RDWR | O_TRUNC, .mode = 0600}, me()))), "");
  const auto direct = must(origin_->create("d", {.flags = O_CREAT | O_RDWR | O_DIRECT | O_APPEND, .mode = 0600}, me()));
  EXPECT_EQ(::fcntl(direct->descriptor(), F_GETFL) & (O_DIRECT | O_APPEND), 0);
  ASSERT_EQ(::symlink("/etc/passwd", source("link").c_str()), 0);
  EXPECT_EQ(errno_of(origin_->create("link", {.flags = O_CREAT | O_RDWR, .mode = 0600}, me())), ELOOP);
  EXPECT_EQ(errno_of(origin_->create("no/f", {.flags = O_CREAT | O_RDWR, .mode = 0600}, me())), ENOENT);
  EXPECT_EQ(errno_of(origin_->create(std::string(256, 'n'), {.flags = O_CREAT | O_RDWR, .mode = 0600}, me())),
            ENAMETOOLONG);
}

TEST_F(LocalChanges, AppendedWritesNeverOverwriteEachOther) {
  const auto file = must(origin_->create("log", {.flags = O_CREAT | O_RDWR, .mode = 0600}, me()));
  constexpr int kLines = 500;
  const auto append_lines = [&](std::string_view line) {
    for (int i = 0; i < kLines; ++i) EXPECT_EQ(must(file->write_at(bytes_of(line), 0, true)), line.size());
  };
  {
    const std::jthread one(append_lines, "aaaa\n");
    const std::jthread two(append_lines, "bbbb\n");
  }
  const std::string content = read("log");
  EXPECT_EQ(content.size(), std::size_t{2} * kLines * 5);
  for (std::size_t at = 0; at < content.size(); at += 5) {
    const std::string line = content.substr(at, 5);
    EXPECT_TRUE(line == "aaaa\n" || line == "bbbb\n") << line;
  }
}

TEST_F(LocalChanges, OpenFilesAreTruncatedAllocatedSyncedAndCopied) {
  const auto file = must(origin_->create("f", {.flags = O_CREAT | O_RDWR, .mode = 0600}, me()));
  EXPECT_EQ(must(file->write_at(bytes_of("0123456789"), 5, false)), 10U);
  EXPECT_EQ(must(file->stat()).st_size, 15);
  EXPECT_TRUE(is_ok(file->truncate(8)));
  EXPECT_EQ(read("f"), std::string(5, '\0') + "012");
  EXPECT_TRUE(is_ok(file->allocate(0, 0, 4096)));
  EXPECT_EQ(must(file->stat()).st_size, 4096);
  EXPECT_TRUE(is_ok(file->allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096)));
  EXPECT_EQ(errno_of(file->allocate(0, 0, 0)), EINVAL);
  EXPECT_TRUE(is_ok(file->sync(true)));
  EXPECT_TRUE(is_ok(file->sync(false)));
  const auto from = must(origin_->create("from", {.flags = O_CREAT | O_RDWR, .mode = 0600}, me()));
  ASSERT_TRUE(is_ok(from->write_at(bytes_of("abcdef"), 0, false)));
  EXPECT_EQ(must(from->copy_range(2, *file, 1, 3)), 3U);
  EXPECT_EQ(read("f").substr(0, 5), std::string("\0cde\0", 5));
  EXPECT_EQ(must(from->copy_range(6, *file, 0, 3)), 0U);
  EXPECT_TRUE(is_ok(origin_->sync_directory("")));
  EXPECT_EQ(errno_of(origin_->sync_directory("f")), ENOTDIR);
}

TEST_F(LocalChanges, AFifoInTheNameOfAFileIsNotWaitedFor) {
  ASSERT_TRUE(is_ok(origin_->make_node("fifo", S_IFIFO | 0666, 0, me())));
  for (const int access : {O_RDONLY, O_WRONLY, O_RDWR}) {
    EXPECT_EQ(errno_of(origin_->open("fifo", access, nullptr)), ENXIO) << access;
    EXPECT_EQ(errno_of(origin_->create("fifo", {.flags = O_CREAT | access, .mode = 0600}, me())), ENXIO) << access;
  }
}

TEST_F(LocalChanges, AFileWithALeaseIsWaitedFor) {
  {
    const auto made = must(origin_->create("f", {.flags = O_CREAT | O_RDWR, .mode = 0600}, me()));
  }
  ASSERT_NE(::signal(SIGIO, SIG_IGN), SIG_ERR);
  base::UniqueFd holder(::open(source("f").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::fcntl(holder.get(), F_SETLEASE, F_RDLCK), 0);
  const std::jthread gives_up([&holder] {
    while (::fcntl(holder.get(), F_GETLEASE) == F_RDLCK) std::this_thread::yield();
    holder.reset();
  });
  EXPECT_TRUE(is_ok(origin_->open("f", O_WRONLY, nullptr)));
}

TEST_F(LocalChanges, FoldersNodesAndLinksAreMadeAndRemoved) {
  EXPECT_TRUE(is_ok(origin_->make_directory("d", 0777, me())));
  EXPECT_EQ(must(origin_->stat("d")).st_mode, static_cast<mode_t>(S_IFDIR | 0755));
  EXPECT_EQ(errno_of(origin_->make_directory("d", 0777, me())), EEXIST);
  EXPECT_TRUE(is_ok(origin_->make_node("d/fifo", S_IFIFO | 0666, 0, me())));
  EXPECT_EQ(must(origin_->stat("d/fifo")).st_mode, static_cast<mode_t>(S_IFIFO | 0644));
  EXPECT_TRUE(is_ok(origin_->make_symlink("d/link", "anywhere/at all", me())));
  EXPECT_EQ(must(origin_->read_link("d/link")), "anywhere/at all");
  write("d/f", "x");
  EXPECT_TRUE(is_ok(origin_->make_link("d/f", "hard", me())));
  EXPECT_EQ(must(origin_->stat("hard")).st_ino, must(origin_->stat("d/f")).st_ino);
  EXPECT_EQ(must(origin_->stat("hard")).st_nlink, 2U);
  EXPECT_EQ(errno_of(origin_->make_link("d", "e", me())), EPERM);
  EXPECT_EQ(errno_of(origin_->make_link("d/f", "hard", me())), EEXIST);
  EXPECT_TRUE(is_ok(origin_->make_link("d/link", "hard-link-to-link", me())));
  EXPECT_TRUE(S_ISLNK(must(origin_->stat("hard-link-to-link")).st_mode));
  EXPECT_EQ(errno_of(origin_->remove_directory("d", me())), ENOTEMPTY);
  EXPECT_EQ(errno_of(origin_->remove_directory("hard", me())), ENOTDIR);
  EXPECT_EQ(errno_of(origin_->unlink("d", me())), EISDIR);
  EXPECT_EQ(errno_of(origin_->unlink("absent", me())), ENOENT);
  for (const char* name : {"d/fifo", "d/link", "d/f"}) EXPECT_TRUE(is_ok(origin_->unlink(name, me())));
  EXPECT_TRUE(is_ok(origin_->remove_directory("d", me())));
  EXPECT_EQ(errno_of(origin_->remove_directory("", me())), EBUSY);
}

TEST_F(LocalChanges, RenameHonoursItsFlags) {
  write("a", "A");
  write("b", "B");
  EXPECT_EQ(errno_of(origin_->rename("a", "b", RENAME_NOREPLACE, me())), EEXIST);
  EXPECT_TRUE(is_ok(origin_->rename("a", "b", RENAME_EXCHANGE, me())));
  EXPECT_EQ(read("a"), "B");
  EXPECT_TRUE(is_ok(origin_->rename("a", "b", 0, me())));
  EXPECT_EQ(read("b"), "B");
  EXPECT_EQ(errno_of(origin_->rename("a", "c", 0, me())), ENOENT);
  ASSERT_TRUE(is_ok(origin_->make_directory("d", 0755, me())));
  EXPECT_EQ(errno_of(origin_->rename("d", "d/below", 0, me())), EINVAL);
  EXPECT_EQ(errno_of(origin_->rename("b", "d", 0, me())), EISDIR);
  EXPECT_EQ(errno_of(origin_->rename("", "d/x", 0, me())), EBUSY);
}

TEST_F(LocalChanges, OneSetattrChangesEverythingAndLeavesTheTimesAsked) {
  const std::string path = write("f", "0123456789");
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  const origin::AttributeChange change{
      .mode = 04711, .uid = ::geteuid(), .gid = ::getegid(), .size = 4, .access_time = kOld, .modify_time = kOld};
  ASSERT_TRUE(is_ok(origin_->set_attributes("f", change, me())));
  const Attributes now = must(origin_->stat("f"));
  EXPECT_EQ(now.st_mode & 07777, 04711U);  // chown did not clear the set-id bit
  EXPECT_EQ(now.st_size, 4);
  EXPECT_EQ(now.st_mtim.tv_sec, kOld.tv_sec);  // nor did the truncation move the time
  EXPECT_EQ(now.st_mtim.tv_nsec, kOld.tv_nsec);
  EXPECT_EQ(now.st_atim.tv_nsec, kOld.tv_nsec);
}

TEST_F(LocalChanges, WhatASetattrDoesNotNameStays) {
  write("f", "0123456789");
  ASSERT_TRUE(is_ok(origin_->set_attributes("f", {.access_time = kOld, .modify_time = kOld}, me())));
  ASSERT_TRUE(is_ok(origin_->set_attributes("f", {.access_time = timespec{.tv_sec = 0, .tv_nsec = UTIME_NOW}}, me())));
  const Attributes now = must(origin_->stat("f"));
  EXPECT_EQ(now.st_mtim.tv_sec, kOld.tv_sec);
  EXPECT_GT(now.st_atim.tv_sec, kOld.tv_sec);
  EXPECT_TRUE(is_ok(origin_->set_attributes("f", {}, me())));
  EXPECT_EQ(errno_of(origin_->set_attributes("absent", {.mode = 0600}, me())), ENOENT);
}

TEST_F(LocalChanges, SetattrOfFoldersAndSymlinksGoesToThemselves) {
  ASSERT_EQ(::mkdir(source("d").c_str(), 0755), 0);
  ASSERT_EQ(::symlink("d", source("link").c_str()), 0);
  EXPECT_TRUE(is_ok(origin_->set_attributes("d", {.mode = 0711}, me())));
  EXPECT_EQ(must(origin_->stat("d")).st_mode & 07777, 0711U);
  EXPECT_EQ(errno_of(origin_->set_attributes("d", {.size = 0}, me())), EISDIR);
  EXPECT_EQ(errno_of(origin_->set_attributes("link", {.mode = 0777}, me())), EOPNOTSUPP);
  EXPECT_TRUE(is_ok(origin_->set_attributes("link", {.modify_time = kOld}, me())));
  EXPECT_EQ(must(origin_->stat("link")).st_mtim.tv_sec, kOld.tv_sec);
  EXPECT_NE(must(origin_->stat("d")).st_mtim.tv_sec, kOld.tv_sec);
  EXPECT_TRUE(is_ok(origin_->set_attributes("", {.mode = 0750}, me())));
  EXPECT_EQ(must(origin_->stat("")).st_mode & 07777, 0750U);
}

TEST_F(LocalChanges, AnOpenFilesAttributesChangeWhateverItsNameIs) {
  write("f", "0123456789");
  const auto file = must(origin_->open("f", O_RDWR, nullptr));
  ASSERT_TRUE(is_ok(origin_->unlink("f", me())));
  const origin::AttributeChange change{.mode = 0604, .size = 3, .modify_time = kOld};
  ASSERT_TRUE(is_ok(origin::set_attributes(*file, change, me())));
  const Attributes now = must(file->stat());
  EXPECT_EQ(now.st_mode & 07777, 0604U);
  EXPECT_EQ(now.st_size, 3);
  EXPECT_EQ(now.st_mtim.tv_nsec, kOld.tv_nsec);
}

TEST_F(LocalChanges, XattrsAreSetAndRemovedAsOnThePlainFolder) {
  write("f", "");
  ASSERT_EQ(::symlink("f", source("link").c_str()), 0);
  const auto set = origin_->set_xattr("f", "user.a", "1", 0, me());
  if (errno_of(set) == EOPNOTSUPP) GTEST_SKIP() << "no user xattrs here";
  EXPECT_TRUE(is_ok(set));
  EXPECT_EQ(errno_of(origin_->set_xattr("f", "user.a", "2", XATTR_CREATE, me())), EEXIST);
  EXPECT_EQ(errno_of(origin_->set_xattr("f", "user.b", "2", XATTR_REPLACE, me())), ENODATA);
  EXPECT_TRUE(is_ok(origin_->set_xattr("f", "user.a", std::string("\0\1", 2), XATTR_REPLACE, me())));
  EXPECT_EQ(must(origin_->get_xattr("f", "user.a")), std::string("\0\1", 2));
  EXPECT_TRUE(is_ok(origin_->remove_xattr("f", "user.a", me())));
  EXPECT_EQ(errno_of(origin_->remove_xattr("f", "user.a", me())), ENODATA);
  const int plain = ::lsetxattr(source("link").c_str(), "user.a", "1", 1, 0) == 0 ? 0 : errno;
  EXPECT_EQ(errno_of(origin_->set_xattr("link", "user.a", "1", 0, me())), plain);
}

}  // namespace
}  // namespace arenacache::test
