// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "beneath.h"
#include "origin_fixture.h"

namespace arenacache::test {
namespace {

using origin::Attributes;
using LocalLooks = LocalOriginTest;

TEST_F(LocalLooks, StatSaysWhatThePlainFolderSays) {
  write("a/b.safetensors", "tensor");
  struct ::stat plain{};
  ASSERT_EQ(::lstat(source("a/b.safetensors").c_str(), &plain), 0);
  const Attributes seen = must(origin_->stat("a/b.safetensors"));
  EXPECT_EQ(seen.st_ino, plain.st_ino);
  EXPECT_EQ(seen.st_size, 6);
  EXPECT_EQ(seen.st_mtim.tv_nsec, plain.st_mtim.tv_nsec);
  EXPECT_TRUE(S_ISDIR(must(origin_->stat("")).st_mode));
  EXPECT_EQ(errno_of(origin_->stat("absent")), ENOENT);
  EXPECT_EQ(errno_of(origin_->stat("a/b.safetensors/c")), ENOTDIR);
  EXPECT_EQ(errno_of(origin_->stat(std::string(256, 'n'))), ENAMETOOLONG);
  EXPECT_TRUE(is_ok(origin_->stat("a")));
}

/// A network's file system says so of a descriptor; the kernel looks a path up again by itself, but not that.
TEST_F(LocalLooks, AFileThatLosesItsNameWhileItIsLookedAtIsLookedUpAgain) {
  write("a", "old");
  const base::UniqueFd top(::open(source().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Attributes seen{};
  int looks = 0;
  const auto look = [&](int fd) {
    if (++looks < 3) {
      write("new", "newer");
      EXPECT_EQ(::rename(source("new").c_str(), source("a").c_str()), 0);
      errno = ESTALE;
      return false;
    }
    return ::fstat(fd, &seen) == 0;
  };
  EXPECT_TRUE(origin::look_at(top.get(), "a", look));
  EXPECT_EQ(seen.st_size, 5);
  EXPECT_EQ(looks, 3);
}

TEST_F(LocalLooks, ALookThatIsAlwaysStaleOrFailsOtherwiseEnds) {
  write("a", "content");
  const base::UniqueFd top(::open(source().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  int looks = 0;
  int error = ESTALE;
  const auto look = [&](int /*fd*/) {
    ++looks;
    errno = error;
    return false;
  };
  EXPECT_FALSE(origin::look_at(top.get(), "a", look));
  EXPECT_EQ(errno, ESTALE);
  EXPECT_LE(looks, 100);
  looks = 0;
  error = EIO;
  EXPECT_FALSE(origin::look_at(top.get(), "a", look));
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(looks, 1);
  EXPECT_FALSE(origin::look_at(top.get(), "absent", look));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(looks, 1);
}

TEST_F(LocalLooks, ASymlinkIsSeenAndNotFollowed) {
  write("target", "12345678");
  ASSERT_EQ(::symlink("target", source("link").c_str()), 0);
  EXPECT_TRUE(S_ISLNK(must(origin_->stat("link")).st_mode));
  EXPECT_EQ(must(origin_->read_link("link")), "target");
  EXPECT_EQ(errno_of(origin_->read_link("target")), EINVAL);
  EXPECT_EQ(errno_of(origin_->read_link("absent")), ENOENT);
  EXPECT_EQ(errno_of(origin_->open("link", O_RDONLY, nullptr)), ELOOP);
  const std::string long_target(3000, 't');
  ASSERT_EQ(::symlink(long_target.c_str(), source("long").c_str()), 0);
  EXPECT_EQ(must(origin_->read_link("long")), long_target);
}

TEST_F(LocalLooks, NamesHoldAnyBytes) {
  const std::string name = "\xff\x01 \n\\\"*";
  write(name, "x");
  EXPECT_EQ(must(origin_->stat(name)).st_size, 1);
  const auto entries = must(origin_->list(""));
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries.front().name, name);
}

TEST_F(LocalLooks, ListGivesEveryEntryOnceWithTypeAndInode) {
  for (int i = 0; i < 2000; ++i) write("many/" + std::to_string(i), "");
  ASSERT_EQ(::mkdir(source("many/folder").c_str(), 0755), 0);
  auto entries = must(origin_->list("many"));
  EXPECT_EQ(entries.size(), 2001U);
  std::ranges::sort(entries, {}, &origin::DirectoryEntry::name);
  const auto twin = std::ranges::adjacent_find(entries, {}, &origin::DirectoryEntry::name);
  EXPECT_EQ(twin, entries.end());
  const auto folder = std::ranges::find(entries, "folder", &origin::DirectoryEntry::name);
  ASSERT_NE(folder, entries.end());
  EXPECT_EQ(folder->type, DT_DIR);
  EXPECT_EQ(folder->inode, must(origin_->stat("many/folder")).st_ino);
  EXPECT_EQ(errno_of(origin_->list("many/7")), ENOTDIR);
  EXPECT_EQ(errno_of(origin_->list("absent")), ENOENT);
}

TEST_F(LocalLooks, StatNamesAnswersEachNameAtItsPlace) {
  write("d/one", "1");
  write("d/three", "333");
  write("outside", "");
  const std::vector<std::string> names{"one", "two", "three", "..", "../outside", "."};
  const auto found = must(origin_->stat_names("d", names));
  ASSERT_EQ(found.size(), names.size());
  EXPECT_EQ(must(found[0]).st_size, 1);
  EXPECT_EQ(errno_of(found[1]), ENOENT);
  EXPECT_EQ(must(found[2]).st_size, 3);
  for (std::size_t i = 3; i < names.size(); ++i) EXPECT_EQ(errno_of(found[i]), EINVAL) << names[i];
  EXPECT_EQ(errno_of(origin_->stat_names("absent", names)), ENOENT);
}

TEST_F(LocalLooks, AnOpenFileIsReadAtAnyOffset) {
  write("model", "0123456789");
  const auto file = must(origin_->open("model", O_RDONLY, nullptr));
  std::array<std::byte, 8> out{};
  EXPECT_EQ(must(file->read_at(out, 0)), 8U);
  EXPECT_EQ(must(file->read_at(out, 7)), 3U);
  EXPECT_EQ(std::to_integer<char>(out[0]), '7');
  EXPECT_EQ(must(file->read_at(out, 10)), 0U);
  EXPECT_EQ(must(file->stat()).st_size, 10);
  EXPECT_EQ(errno_of(file->write_at(bytes_of("x"), 0, false)), EBADF);
  EXPECT_GE(file->descriptor(), 0);
  file->drop_cache(0, 10);
  EXPECT_TRUE(is_ok(file->flush()));
}

TEST_F(LocalLooks, OpenDropsWhatOnlyCreateMayAskFor) {
  write("model", "0123456789");
  const int flags = O_RDWR | O_TRUNC | O_APPEND | O_DIRECT | O_CREAT | O_EXCL;
  const auto file = must(origin_->open("model", flags, nullptr));
  EXPECT_EQ(must(file->stat()).st_size, 10);
  const int real = ::fcntl(file->descriptor(), F_GETFL);
  EXPECT_EQ(real & (O_APPEND | O_DIRECT), 0);
  EXPECT_EQ(real & O_ACCMODE, O_RDWR);
  EXPECT_EQ(errno_of(origin_->open("absent", flags, nullptr)), ENOENT);
  ASSERT_EQ(::mkdir(source("d").c_str(), 0755), 0);
  EXPECT_EQ(errno_of(origin_->open("d", O_RDWR, nullptr)), EISDIR);
}

TEST_F(LocalLooks, SeekFindsDataAndHoles) {
  const base::UniqueFd fd(::open(source("sparse").c_str(), O_RDWR | O_CREAT, 0600));
  ASSERT_EQ(::pwrite(fd.get(), "x", 1, 8 << 20), 1);
  const auto file = must(origin_->open("sparse", O_RDONLY, nullptr));
  EXPECT_EQ(must(file->seek(0, SEEK_HOLE)), 0U);
  EXPECT_EQ(must(file->seek(0, SEEK_DATA)), std::uint64_t{8U << 20U});
  EXPECT_EQ(errno_of(file->seek((8U << 20U) + 1, SEEK_DATA)), ENXIO);
}

TEST_F(LocalLooks, AFileStaysOpenWhenItsNameGoes) {
  write("model", "bytes");
  const auto file = must(origin_->open("model", O_RDONLY, nullptr));
  ASSERT_TRUE(is_ok(origin_->unlink("model", me())));
  EXPECT_EQ(read_all(*file), "bytes");
  EXPECT_EQ(must(file->stat()).st_nlink, 0U);
}

TEST_F(LocalLooks, XattrsAreReadWhole) {
  write("f", "");
  const std::string value(3000, 'v');
  if (::setxattr(source("f").c_str(), "user.big", value.data(), value.size(), 0) != 0)
    GTEST_SKIP() << "no user xattrs here";
  EXPECT_EQ(must(origin_->get_xattr("f", "user.big")), value);
  EXPECT_EQ(errno_of(origin_->get_xattr("f", "user.none")), ENODATA);
  EXPECT_EQ(must(origin_->list_xattrs("f")), std::string("user.big\0", 9));
  EXPECT_EQ(errno_of(origin_->list_xattrs("absent")), ENOENT);
  EXPECT_EQ(errno_of(origin_->get_xattr("absent", "user.big")), ENOENT);
}

TEST_F(LocalLooks, SpaceIsThatOfTheFileSystem) {
  struct ::statvfs plain{};
  ASSERT_EQ(::statvfs(source().c_str(), &plain), 0);
  EXPECT_EQ(must(origin_->space()).f_blocks, plain.f_blocks);
}

TEST_F(LocalLooks, NoPathLeavesTheSource) {
  dir_.write_file("secret", "outside");
  ASSERT_EQ(::symlink("..", source("up").c_str()), 0);
  ASSERT_EQ(::symlink(dir_.path().c_str(), source("absolute").c_str()), 0);
  ASSERT_EQ(::symlink("/proc/self/root", source("magic").c_str()), 0);
  for (const char* path : {"../secret", "a/../../secret", "/etc/passwd", "..", ".", "a//b", "a/", "./a"}) {
    EXPECT_EQ(errno_of(origin_->stat(path)), EINVAL) << path;
    EXPECT_EQ(errno_of(origin_->open(path, O_RDONLY, nullptr)), EINVAL) << path;
    EXPECT_EQ(errno_of(origin_->unlink(path, me())), EINVAL) << path;
    EXPECT_EQ(errno_of(origin_->make_directory(path, 0755, me())), EINVAL) << path;
  }
  EXPECT_EQ(errno_of(origin_->stat(std::string("a\0b", 3))), EINVAL);
  for (const char* path : {"up/secret", "absolute/secret", "magic/etc/passwd"}) {
    EXPECT_EQ(errno_of(origin_->stat(path)), ELOOP) << path;
    EXPECT_EQ(errno_of(origin_->open(path, O_RDONLY, nullptr)), ELOOP) << path;
    EXPECT_EQ(errno_of(origin_->unlink(path, me())), ELOOP) << path;
    EXPECT_EQ(errno_of(origin_->rename(path, "mine", 0, me())), ELOOP) << path;
  }
  EXPECT_EQ(dir_.read_file("secret"), "outside");
}

TEST_F(LocalLooks, AFolderSwappedForASymlinkIsNeverWalkedThrough) {
  dir_.write_file("outside/f", "outside");
  write("d/f", "inside");
  ASSERT_EQ(::symlink(dir_.path("outside").c_str(), source("trap").c_str()), 0);
  std::atomic<bool> is_over{false};
  std::thread swapper([&] {
    while (!is_over) {
      ::renameat2(AT_FDCWD, source("d").c_str(), AT_FDCWD, source("trap").c_str(), RENAME_EXCHANGE);
    }
  });
  unsigned opened = 0;
  constexpr int kTries = 1000, kTriesOfALoadedMachine = 1'000'000;
  for (int i = 0; i < kTries || (opened == 0 && i < kTriesOfALoadedMachine); ++i) {
    const auto file = origin_->open("d/f", O_RDONLY, nullptr);
    if (!file) {
      EXPECT_EQ(errno_of(file), ELOOP);
      continue;
    }
    ++opened;
    EXPECT_EQ(read_all(**file), "inside");
  }
  is_over = true;
  swapper.join();
  EXPECT_GT(opened, 0U);
}

TEST_F(LocalLooks, PathsLongerThanPathMaxAreWalkedInParts) {
  std::string path;
  for (int depth = 0; depth < 40; ++depth) {
    if (depth > 0) path += '/';
    path += std::string(250, static_cast<char>('a' + depth % 26));
    ASSERT_TRUE(is_ok(origin_->make_directory(path, 0755, me())));
  }
  ASSERT_GT(path.size(), 4096U * 2);
  const std::string name = path + "/model.safetensors";
  const auto file = must(origin_->create(name, {.flags = O_CREAT | O_EXCL | O_RDWR, .mode = 0644}, me()));
  EXPECT_EQ(must(file->write_at(bytes_of("deep"), 0, false)), 4U);
  EXPECT_EQ(must(origin_->stat(name)).st_size, 4);
  EXPECT_EQ(read_all(*must(origin_->open(name, O_RDONLY, nullptr))), "deep");
  EXPECT_TRUE(is_ok(origin_->rename(name, "up", 0, me())));
  EXPECT_EQ(must(origin_->list(path)).size(), 0U);
  EXPECT_EQ(errno_of(origin_->stat(path + "/" + std::string(5000, 'x'))), ENAMETOOLONG);
}

}  // namespace
}  // namespace arenacache::test
