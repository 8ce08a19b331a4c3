// SPDX-License-Identifier: Apache-2.0
// Parity cases: open and its flags, create, files unlinked or renamed over while open.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;

UniqueFd open_at(Place& p, std::string_view what, std::string_view name, int flags, mode_t mode = 0644) {
  return UniqueFd(p.opened(what, ::open(p.at(name).c_str(), flags | O_CLOEXEC, mode)));
}

void note_read(Place& p, std::string_view what, int fd, std::size_t count, off_t offset) {
  std::string buffer(count, '\0');
  const long got = p.call(text(what, ", pread"), ::pread(fd, buffer.data(), count, offset));
  if (got >= 0) p.note(text(what, ": ", digest({buffer.data(), static_cast<std::size_t>(got)})));
}

void access_modes(Place& p) {
  p.make_file("file", "abcdef");
  const UniqueFd reading = open_at(p, "read", "file", O_RDONLY);
  p.call("write to a read-only open", ::write(reading.get(), "x", 1));
  const UniqueFd writing = open_at(p, "write", "file", O_WRONLY);
  note_read(p, "read of a write-only open", writing.get(), 3, 0);
  const UniqueFd both = open_at(p, "both", "file", O_RDWR);
  p.call("write", ::pwrite(both.get(), "XY", 2, 2));
  note_read(p, "read back", both.get(), 10, 0);
  note_read(p, "other open", reading.get(), 10, 0);
  const UniqueFd path_only = open_at(p, "path only", "file", O_PATH);
  note_read(p, "path only", path_only.get(), 3, 0);
  p.note_stat("path only", path_only.get());
  p.call("flags", ::fcntl(both.get(), F_GETFL) & O_ACCMODE);
}

void create_flags(Place& p) {
  {
    const UniqueFd made = open_at(p, "exclusive, new", "new", O_WRONLY | O_CREAT | O_EXCL, 0640);
  }
  p.note_stat("new", "new");
  const UniqueFd again = open_at(p, "exclusive, there", "new", O_WRONLY | O_CREAT | O_EXCL);
  const UniqueFd there = open_at(p, "create, there", "new", O_RDWR | O_CREAT, 0777);
  p.note_stat("mode stays", "new");
  const UniqueFd missing = open_at(p, "missing", "missing", O_RDONLY);
  const UniqueFd below = open_at(p, "below missing", "missing/file", O_WRONLY | O_CREAT);
  const UniqueFd folder = open_at(p, "folder for writing", "", O_WRONLY);
  p.call("dangling link", ::symlink("target", p.at("dangling").c_str()));
  const UniqueFd through_exclusive = open_at(p, "exclusive through a link", "dangling", O_WRONLY | O_CREAT | O_EXCL);
  const UniqueFd through = open_at(p, "create through a link", "dangling", O_WRONLY | O_CREAT);
  p.note_stat("target", "target");
  const UniqueFd read_only = open_at(p, "mode without write, open for writing", "sealed", O_RDWR | O_CREAT, 0400);
  p.call("write", ::write(read_only.get(), "abc", 3));
  p.note_content("sealed", "sealed");
}

void truncating_open(Place& p) {
  p.make_file("file", "abcdef");
  const UniqueFd reading = open_at(p, "read", "file", O_RDONLY);
  note_read(p, "before", reading.get(), 10, 0);
  {
    const UniqueFd cut = open_at(p, "truncate", "file", O_WRONLY | O_TRUNC);
  }
  p.note_stat("file", "file");
  note_read(p, "old open sees the end", reading.get(), 10, 0);
  p.make_file("file", "second content");
  note_read(p, "old open sees the new", reading.get(), 20, 0);
  {
    const UniqueFd cut = open_at(p, "truncate while reading", "file", O_RDONLY | O_TRUNC);
  }
  p.note_stat("file", "file");
}

void appending(Place& p) {
  p.make_file("file", "one ");
  const UniqueFd first = open_at(p, "first", "file", O_WRONLY | O_APPEND);
  const UniqueFd second = open_at(p, "second", "file", O_RDWR | O_APPEND);
  p.call("write", ::write(first.get(), "two ", 4));
  p.call("write", ::write(second.get(), "three ", 6));
  p.call("seek", ::lseek(first.get(), 0, SEEK_SET));
  p.call("write after seek", ::write(first.get(), "four ", 5));
  p.call("place", ::lseek(first.get(), 0, SEEK_CUR));
  p.call("pwrite appends all the same", ::pwrite(second.get(), "five ", 5, 0));
  p.note_content("file", "file");
  const UniqueFd plain = open_at(p, "plain", "file", O_WRONLY);
  p.call("append by fcntl", ::fcntl(plain.get(), F_SETFL, O_APPEND));
  p.call("write", ::write(plain.get(), "six", 3));
  p.note_content("file", "file");
}

void many_appenders(Place& p) {
  p.make_file("log", "");
  constexpr int kLines = 200;
  const auto append_lines = [](Place& there) {
    const UniqueFd fd(::open(there.at("log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    for (int line = 0; line < kLines; ++line) {
      if (::write(fd.get(), "0123456789abcde\n", 16) != 16) there.note("short");
    }
  };
  append_lines(p);
  p.elsewhere(append_lines);
  p.note_stat("nothing lost", "log");
}

void directory_and_nofollow(Place& p) {
  p.make_file("file", "abc");
  p.make_folder("folder");
  p.call("symlink", ::symlink("file", p.at("to_file").c_str()));
  p.call("symlink", ::symlink("folder", p.at("to_folder").c_str()));
  p.call("symlink", ::symlink("loop", p.at("loop").c_str()));
  const UniqueFd a = open_at(p, "O_DIRECTORY of a file", "file", O_RDONLY | O_DIRECTORY);
  const UniqueFd b = open_at(p, "O_DIRECTORY of a folder", "folder", O_RDONLY | O_DIRECTORY);
  const UniqueFd c = open_at(p, "O_NOFOLLOW of a link", "to_file", O_RDONLY | O_NOFOLLOW);
  const UniqueFd d = open_at(p, "O_NOFOLLOW of a file", "file", O_RDONLY | O_NOFOLLOW);
  const UniqueFd e = open_at(p, "O_DIRECTORY of a link", "to_folder", O_RDONLY | O_DIRECTORY);
  const UniqueFd f = open_at(p, "O_NOFOLLOW | O_DIRECTORY of a link", "to_folder", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const UniqueFd g = open_at(p, "loop", "loop", O_RDONLY);
  const UniqueFd h = open_at(p, "O_PATH | O_NOFOLLOW of a link", "to_file", O_PATH | O_NOFOLLOW);
  p.note_stat("the link itself", h.get());
  p.call("read of a folder", ::read(b.get(), nullptr, 0));
  const UniqueFd i = open_at(p, "O_CREAT | O_DIRECTORY", "new", O_RDONLY | O_DIRECTORY);
}

void direct_reads_and_writes(Place& p) {
  constexpr std::size_t kBlock = 4096;
  const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(kBlock, 4 * kBlock), &std::free);
  char* const bytes = static_cast<char*>(memory.get());
  std::fill_n(bytes, 4 * kBlock, 'd');
  const UniqueFd fd = open_at(p, "direct", "file", O_RDWR | O_CREAT | O_DIRECT);
  p.call("write", ::pwrite(fd.get(), bytes, 4 * kBlock, 0));
  p.note_content("file", "file");
  std::fill_n(bytes, 4 * kBlock, 'x');
  p.call("read", ::pread(fd.get(), bytes, 4 * kBlock, kBlock));
  p.note(digest({bytes, 3 * kBlock}));
  const UniqueFd cached = open_at(p, "cached", "file", O_RDWR);
  note_read(p, "cached", cached.get(), kBlock, 0);
  std::fill_n(bytes, kBlock, 'e');
  p.call("direct write", ::pwrite(fd.get(), bytes, kBlock, 0));
  note_read(p, "cached sees it", cached.get(), kBlock, 0);
  p.call("cached write", ::pwrite(cached.get(), "cached", 6, 10));
  p.call("direct read", ::pread(fd.get(), bytes, kBlock, 0));
  p.note(digest({bytes, kBlock}));
}

void unlinked_while_open(Place& p) {
  p.make_file("file", std::string(5000, 'u'));
  const UniqueFd fd = open_at(p, "open", "file", O_RDWR);
  const UniqueFd reading = open_at(p, "open for reading", "file", O_RDONLY);
  p.call("unlink", ::unlink(p.at("file").c_str()));
  p.note_stat("gone", "file");
  p.note_listing("folder", "");
  p.note_stat("no links", fd.get());
  note_read(p, "still read", reading.get(), 100, 4990);
  p.call("still written", ::pwrite(fd.get(), "after", 5, 5000));
  note_read(p, "written is read", reading.get(), 100, 4998);
  p.call("still cut", ::ftruncate(fd.get(), 10));
  p.note_stat("cut", fd.get());
  p.call("still chmod", ::fchmod(fd.get(), 0600));
  p.note_stat("chmod", fd.get());
  p.call("still synced", ::fsync(fd.get()));
  p.make_file("file", "another file of that name");
  p.note_stat("old one", fd.get());
  note_read(p, "old one", fd.get(), 10, 0);
  p.note_content("new one", "file");
}

void unlinked_one_of_two_names(Place& p) {
  p.make_file("file", "abc");
  p.call("link", ::link(p.at("file").c_str(), p.at("other").c_str()));
  const UniqueFd fd = open_at(p, "open", "file", O_RDWR);
  p.call("unlink", ::unlink(p.at("file").c_str()));
  p.note_stat("one name left", fd.get());
  p.call("write", ::pwrite(fd.get(), "xyz", 3, 0));
  p.note_content("through the other name", "other");
  p.call("unlink", ::unlink(p.at("other").c_str()));
  p.note_stat("none left", fd.get());
  note_read(p, "none left", fd.get(), 10, 0);
}

void renamed_over_while_open(Place& p) {
  p.make_file("old", "old content");
  p.make_file("new", "the new content");
  const UniqueFd old_fd = open_at(p, "old", "old", O_RDWR);
  const UniqueFd new_fd = open_at(p, "new", "new", O_RDONLY);
  p.call("rename over", ::rename(p.at("new").c_str(), p.at("old").c_str()));
  p.note_stat("old has no name", old_fd.get());
  note_read(p, "old is read", old_fd.get(), 50, 0);
  note_read(p, "new is read", new_fd.get(), 50, 0);
  p.call("old is written", ::pwrite(old_fd.get(), "OLD", 3, 0));
  note_read(p, "old is read", old_fd.get(), 50, 0);
  p.note_content("name", "old");
  p.call("rename again", ::rename(p.at("old").c_str(), p.at("third").c_str()));
  note_read(p, "new is read", new_fd.get(), 50, 0);
}

/// An open for reading that has read nothing yet, a change of the data or none, then each way its name may go or move.
void readers_keep_their_file(Place& p) {
  using Deed = long (*)(Place&);
  constexpr Deed kChanges[]{
      [](Place&) { return 0L; },
      [](Place& there) {
        const UniqueFd writing(::open(there.at("f/file").c_str(), O_WRONLY | O_CLOEXEC));
        return static_cast<long>(::pwrite(writing.get(), "changed", 7, 5));
      },
      [](Place& there) { return static_cast<long>(::truncate(there.at("f/file").c_str(), 5'000)); },
  };
  constexpr Deed kMoves[]{
      [](Place& there) { return static_cast<long>(::unlink(there.at("f/file").c_str())); },
      [](Place& there) { return static_cast<long>(::rename(there.at("f/file").c_str(), there.at("moved").c_str())); },
      [](Place& there) { return static_cast<long>(::rename(there.at("f").c_str(), there.at("g").c_str())); },
      [](Place& there) { return static_cast<long>(::rename(there.at("f/other").c_str(), there.at("f/file").c_str())); },
      [](Place& there) {
        return static_cast<long>(
            ::renameat2(AT_FDCWD, there.at("f/other").c_str(), AT_FDCWD, there.at("f/file").c_str(), RENAME_EXCHANGE));
      },
      [](Place& there) {
        if (::link(there.at("f/file").c_str(), there.at("twin").c_str()) != 0) return -1L;
        return static_cast<long>(::unlink(there.at("f/file").c_str()));
      },
  };
  int round = 0;
  for (const Deed change : kChanges) {
    for (const Deed move : kMoves) {
      const std::string folder = text("round-", round++);
      p.make_folder(folder);
      Place there(p.at(folder));
      there.make_folder("f");
      there.make_file("f/file", std::string(20'000, 'f'));
      there.make_file("f/other", std::string(30'000, 'o'));
      const UniqueFd reading = open_at(there, "read", "f/file", O_RDONLY);
      there.call("change", change(there));
      there.call("move", move(there));
      note_read(there, "after", reading.get(), 40'000, 0);
      note_read(there, "again", reading.get(), 100, 4'950);
      there.note_stat("after", reading.get());
      for (const auto& line : there.transcript()) p.note(text(folder, ": ", line));
    }
  }
}

void open_in_a_removed_folder(Place& p) {
  p.make_folder("folder");
  p.make_file("folder/file", "abc");
  const UniqueFd folder = open_at(p, "folder", "folder", O_RDONLY | O_DIRECTORY);
  const UniqueFd file = open_at(p, "file", "folder/file", O_RDONLY);
  p.call("unlink", ::unlink(p.at("folder/file").c_str()));
  p.call("rmdir", ::rmdir(p.at("folder").c_str()));
  note_read(p, "file", file.get(), 10, 0);
  p.opened("create there", ::openat(folder.get(), "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  p.call("mkdir there", ::mkdirat(folder.get(), "new", 0755));
}

void reopened_by_descriptor(Place& p) {
  p.make_file("file", "abcdef");
  const UniqueFd fd = open_at(p, "open", "file", O_RDONLY);
  const UniqueFd again(p.opened("again", ::open(text("/proc/self/fd/", fd.get()).c_str(), O_RDWR | O_CLOEXEC)));
  p.call("write", ::pwrite(again.get(), "X", 1, 1));
  note_read(p, "first", fd.get(), 10, 0);
  const UniqueFd copy(::dup(fd.get()));
  p.call("seek", ::lseek(fd.get(), 3, SEEK_SET));
  p.call("one place for both", ::lseek(copy.get(), 0, SEEK_CUR));
}

}  // namespace

std::vector<ParityCase> open_cases() {
  return {{"AccessModes", access_modes},
          {"CreateFlags", create_flags},
          {"TruncatingOpen", truncating_open},
          {"Appending", appending},
          {"ManyAppenders", many_appenders},
          {"DirectoryAndNofollow", directory_and_nofollow},
          {"Direct", direct_reads_and_writes},
          {"UnlinkedWhileOpen", unlinked_while_open},
          {"UnlinkedOneOfTwoNames", unlinked_one_of_two_names},
          {"RenamedOverWhileOpen", renamed_over_while_open},
          {"ReadersKeepTheirFile", readers_keep_their_file},
          {"OpenInARemovedFolder", open_in_a_removed_folder},
          {"ReopenedByDescriptor", reopened_by_descriptor}};
}

}  // namespace arenacache::test
