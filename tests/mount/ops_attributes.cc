// SPDX-License-Identifier: Apache-2.0
// Parity cases: lookup, getattr, chmod, chown, times, sizes, statfs.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <string>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;

void lookup(Place& p) {
  p.make_file("file", "abc");
  p.make_folder("folder");
  p.note_stat("file", "file");
  p.note_stat("folder", "folder");
  p.note_stat("missing", "missing");
  p.note_stat("through a file", "file/below");
  p.note_stat("below missing", "missing/below");
  p.note_stat("file with slash", "file/");
  p.note_stat("folder with slash", "folder/");
  p.note_stat("dots", "folder/../file");
  p.call("access read", ::access(p.at("file").c_str(), R_OK));
  p.call("access missing", ::access(p.at("missing").c_str(), F_OK));
  p.call("access execute", ::access(p.at("folder").c_str(), X_OK));
}

void statx_fields(Place& p) {
  p.make_file("file", "abc");
  struct statx status{};
  p.call("statx", ::statx(AT_FDCWD, p.at("file").c_str(), AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &status));
  p.note(text("size ", status.stx_size, " mode ", status.stx_mode, " links ", status.stx_nlink));
  p.call("at fd", ::statx(AT_FDCWD, p.at("nothing").c_str(), 0, STATX_BASIC_STATS, &status));
}

void chmod_files(Place& p) {
  p.make_file("file", "abc");
  p.make_folder("folder");
  for (const mode_t mode : {0600U, 0U, 07777U, 0644U}) {
    p.call(text("chmod ", mode), ::chmod(p.at("file").c_str(), mode));
    p.note_stat("file", "file");
    p.call(text("chmod folder ", mode), ::chmod(p.at("folder").c_str(), mode | 0700));
    p.note_stat("folder", "folder");
  }
  const UniqueFd fd(::open(p.at("file").c_str(), O_RDONLY | O_CLOEXEC));
  p.call("fchmod", ::fchmod(fd.get(), 0640));
  p.note_stat("file", fd.get());
  p.call("chmod missing", ::chmod(p.at("missing").c_str(), 0600));
  p.call("symlink", ::symlink("file", p.at("link").c_str()));
  p.call("chmod through a link", ::chmod(p.at("link").c_str(), 0604));
  p.note_stat("file", "file");
}

void chown_files(Place& p) {
  p.make_file("file", "abc", 0755);
  p.call("chmod", ::chmod(p.at("file").c_str(), 06755));
  p.call("chown", ::chown(p.at("file").c_str(), 1234, 4321));
  p.note_stat("after chown, without setuid", "file");
  p.call("owner only", ::chown(p.at("file").c_str(), 77, static_cast<gid_t>(-1)));
  p.note_stat("file", "file");
  p.call("group only", ::chown(p.at("file").c_str(), static_cast<uid_t>(-1), 88));
  p.note_stat("file", "file");
  p.call("symlink", ::symlink("file", p.at("link").c_str()));
  p.call("lchown", ::lchown(p.at("link").c_str(), 5, 6));
  p.note_stat("link", "link");
  p.note_stat("file", "file");
  p.call("chown missing", ::chown(p.at("missing").c_str(), 1, 1));
  p.note_content("file", "file");
}

void set_times(Place& p) {
  p.make_file("file", "abc");
  p.make_folder("folder");
  const std::array<timespec, 2> times{timespec{.tv_sec = 1'000'000'000, .tv_nsec = 123'456'789},
                                      timespec{.tv_sec = 1'100'000'000, .tv_nsec = 987'654'321}};
  p.call("file", ::utimensat(AT_FDCWD, p.at("file").c_str(), times.data(), 0));
  p.note_times("file", "file");
  p.call("folder", ::utimensat(AT_FDCWD, p.at("folder").c_str(), times.data(), 0));
  p.note_times("folder", "folder");
  const std::array<timespec, 2> omit{timespec{.tv_sec = 5, .tv_nsec = UTIME_OMIT}, timespec{.tv_sec = 7, .tv_nsec = 1}};
  p.call("written only", ::utimensat(AT_FDCWD, p.at("file").c_str(), omit.data(), 0));
  p.note_times("file", "file");
  p.call("symlink", ::symlink("file", p.at("link").c_str()));
  p.call("link itself", ::utimensat(AT_FDCWD, p.at("link").c_str(), times.data(), AT_SYMLINK_NOFOLLOW));
  p.note_times("link", "link");
  p.note_times("file", "file");
  const UniqueFd fd(::open(p.at("file").c_str(), O_WRONLY | O_CLOEXEC));
  p.call("futimens", ::futimens(fd.get(), times.data()));
  p.note_times("file", "file");
  p.call("missing", ::utimensat(AT_FDCWD, p.at("missing").c_str(), times.data(), 0));
}

void times_before_1970_and_after_2038(Place& p) {
  p.make_file("file", "abc");
  for (const time_t seconds : {time_t{-5}, time_t{0}, time_t{4'000'000'000}}) {
    const timespec when{.tv_sec = seconds, .tv_nsec = 999'999'999};
    const std::array<timespec, 2> times{when, when};
    p.call("set", ::utimensat(AT_FDCWD, p.at("file").c_str(), times.data(), 0));
    p.note_times("file", "file");
  }
}

void times_move_by_writing(Place& p) {
  p.make_file("file", "abc");
  const timespec past{.tv_sec = 1'000'000'000, .tv_nsec = 5};
  const std::array<timespec, 2> times{past, past};
  p.call("set", ::utimensat(AT_FDCWD, p.at("file").c_str(), times.data(), 0));
  const auto moved = [&p] {
    struct stat status{};
    p.call("stat", ::stat(p.at("file").c_str(), &status));
    p.note(text("moved: ", status.st_mtim.tv_sec > 1'500'000'000 ? "yes" : "no"));
  };
  p.call("chmod", ::chmod(p.at("file").c_str(), 0600));
  moved();
  UniqueFd fd(::open(p.at("file").c_str(), O_WRONLY | O_CLOEXEC));
  p.call("write", ::write(fd.get(), "x", 1));
  moved();
  p.call("set", ::futimens(fd.get(), times.data()));
  p.call("close", ::close(fd.release()));
  p.note_times("closing moves nothing", "file");
  const timespec now{.tv_sec = 0, .tv_nsec = UTIME_NOW};
  const std::array<timespec, 2> both{now, now};
  p.call("touch", ::utimensat(AT_FDCWD, p.at("file").c_str(), both.data(), 0));
  moved();
}

void folder_times_move_by_entries(Place& p) {
  p.make_folder("folder");
  const auto moved_by = [&p](const char* deed, long result) {
    p.call(deed, result);
    struct stat status{};
    p.call("stat", ::stat(p.at("folder").c_str(), &status));
    p.note(text(deed, " moved it: ", status.st_mtim.tv_sec > 1'500'000'000 ? "yes" : "no"));
    const timespec past{.tv_sec = 1'000'000'000, .tv_nsec = 5};
    const std::array<timespec, 2> times{past, past};
    p.call("set", ::utimensat(AT_FDCWD, p.at("folder").c_str(), times.data(), 0));
  };
  moved_by("nothing", 0);
  p.make_file("folder/file", "abc");
  moved_by("create", 0);
  moved_by("rename", ::rename(p.at("folder/file").c_str(), p.at("folder/other").c_str()));
  moved_by("mkdir", ::mkdir(p.at("folder/below").c_str(), 0700));
  p.note_stat("links of the folder", "folder");
  moved_by("rmdir", ::rmdir(p.at("folder/below").c_str()));
  p.note_stat("links of the folder", "folder");
  moved_by("unlink", ::unlink(p.at("folder/other").c_str()));
}

void truncate_files(Place& p) {
  p.make_file("file", std::string(10000, 'a'));
  p.note_content("before", "file");
  for (const off_t size : {5000, 0, 7, 12345, 3'000'000}) {
    p.call("truncate", ::truncate(p.at("file").c_str(), size));
    p.note_stat("file", "file");
    p.note_content("file", "file");
  }
  const UniqueFd fd(::open(p.at("file").c_str(), O_RDWR | O_CLOEXEC));
  p.call("ftruncate", ::ftruncate(fd.get(), 4));
  p.note_stat("file", fd.get());
  p.call("negative", ::truncate(p.at("file").c_str(), -1));
  p.call("missing", ::truncate(p.at("missing").c_str(), 1));
  p.make_folder("folder");
  p.call("folder", ::truncate(p.at("folder").c_str(), 1));
  const UniqueFd read_only(::open(p.at("file").c_str(), O_RDONLY | O_CLOEXEC));
  p.call("ftruncate of a read-only open", ::ftruncate(read_only.get(), 1));
}

void statfs_numbers(Place& p) {
  struct statvfs numbers{};
  p.call("statvfs", ::statvfs(p.root().c_str(), &numbers));
  p.note(text("block ", numbers.f_bsize, " fragment ", numbers.f_frsize, " name ", numbers.f_namemax, " blocks ",
              numbers.f_blocks, " files ", numbers.f_files));
  p.make_file("file", "abc");
  const UniqueFd fd(::open(p.at("file").c_str(), O_RDONLY | O_CLOEXEC));
  p.call("fstatvfs", ::fstatvfs(fd.get(), &numbers));
  p.note(text("blocks ", numbers.f_blocks));
}

void special_files(Place& p) {
  p.call("fifo", ::mkfifo(p.at("fifo").c_str(), 0640));
  p.call("fifo by mknod", ::mknod(p.at("fifo2").c_str(), S_IFIFO | 0600, 0));
  p.call("socket", ::mknod(p.at("socket").c_str(), S_IFSOCK | 0600, 0));
  p.call("regular", ::mknod(p.at("regular").c_str(), S_IFREG | 0604, 0));
  p.call("device", ::mknod(p.at("null").c_str(), S_IFCHR | 0600, ::makedev(1, 3)));
  p.call("existing", ::mkfifo(p.at("fifo").c_str(), 0640));
  for (const char* name : {"fifo", "fifo2", "socket", "regular", "null"}) p.note_stat(name, name);
  struct stat status{};
  p.call("stat of the device", ::stat(p.at("null").c_str(), &status));
  p.note(text("device number ", status.st_rdev));
  const UniqueFd reading(::open(p.at("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const UniqueFd writing(::open(p.at("fifo").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  p.call("into the fifo", ::write(writing.get(), "hello", 5));
  std::array<char, 8> buffer{};
  p.call("out of the fifo", ::read(reading.get(), buffer.data(), buffer.size()));
  p.note_listing("types", "");
}

void same_inode_of_hard_links(Place& p) {
  p.make_file("file", "abc");
  p.call("link", ::link(p.at("file").c_str(), p.at("other").c_str()));
  struct stat first{}, second{};
  p.call("stat", ::stat(p.at("file").c_str(), &first));
  p.call("stat", ::stat(p.at("other").c_str(), &second));
  p.note(text("same inode: ", first.st_ino == second.st_ino ? "yes" : "no", " links ", second.st_nlink));
  p.make_file("third", "abc");
  p.call("stat", ::stat(p.at("third").c_str(), &second));
  p.note(text("same inode as another file: ", first.st_ino == second.st_ino ? "yes" : "no"));
  p.call("chmod of one name", ::chmod(p.at("other").c_str(), 0600));
  p.note_stat("the other name", "file");
  p.call("truncate of one name", ::truncate(p.at("file").c_str(), 1));
  p.note_stat("the other name", "other");
  p.note_content("the other name", "other");
}

}  // namespace

std::vector<ParityCase> attribute_cases() {
  return {{"Lookup", lookup},
          {"Statx", statx_fields},
          {"Chmod", chmod_files},
          {.name = "Chown", .run = chown_files, .needs_root = true},
          {"Times", set_times},
          {"TimesFarAway", times_before_1970_and_after_2038},
          {"TimesMoveByWriting", times_move_by_writing},
          {"FolderTimesMoveByEntries", folder_times_move_by_entries},
          {"Truncate", truncate_files},
          {"Statfs", statfs_numbers},
          {.name = "SpecialFiles", .run = special_files, .needs_root = true},
          {"SameInodeOfHardLinks", same_inode_of_hard_links}};
}

}  // namespace arenacache::test
