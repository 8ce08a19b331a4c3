// SPDX-License-Identifier: Apache-2.0
// Parity cases: folders, their listings, links, rename.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/parity.h"
#include "mount/patterns.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;

constexpr int kManyEntries = 100'000;

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

void make_files(Place& p, const char* name, int count) {
  p.make_folder(name);
  const UniqueFd folder(::open(p.at(name).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int index = 0; index < count; ++index) {
    const UniqueFd made(::openat(folder.get(), text("model-", index).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  }
}

std::vector<std::string> rest_of(DIR* folder) {
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(folder)) names.emplace_back(entry->d_name);
  return names;
}

void mkdir_and_rmdir(Place& p) {
  p.call("mkdir", ::mkdir(p.at("folder").c_str(), 0750));
  p.note_stat("folder", "folder");
  p.call("mkdir again", ::mkdir(p.at("folder").c_str(), 0750));
  p.call("mkdir below missing", ::mkdir(p.at("missing/below").c_str(), 0755));
  p.call("mkdir below", ::mkdir(p.at("folder/below").c_str(), 0755));
  p.note_stat("links", "folder");
  p.call("rmdir of a full one", ::rmdir(p.at("folder").c_str()));
  p.call("unlink of a folder", ::unlink(p.at("folder/below").c_str()));
  p.call("rmdir below", ::rmdir(p.at("folder/below").c_str()));
  p.note_stat("links", "folder");
  p.make_file("file", "abc");
  p.call("rmdir of a file", ::rmdir(p.at("file").c_str()));
  p.call("mkdir over a file", ::mkdir(p.at("file").c_str(), 0755));
  p.call("rmdir dot", ::rmdir(p.at("folder/.").c_str()));
  p.call("rmdir missing", ::rmdir(p.at("missing").c_str()));
  p.call("sticky", ::mkdir(p.at("sticky").c_str(), 01777));
  p.note_stat("sticky", "sticky");
}

void listing(Place& p) {
  p.make_folder("folder");
  p.make_file("folder/file", "abc");
  p.make_folder("folder/below");
  p.call("symlink", ::symlink("file", p.at("folder/link").c_str()));
  p.call("fifo", ::mkfifo(p.at("folder/fifo").c_str(), 0600));
  p.note_listing("folder", "folder");
  p.note_listing("empty", "folder/below");
  p.note_listing("a file", "folder/file");
  p.note_listing("missing", "missing");
  p.call("unlink", ::unlink(p.at("folder/file").c_str()));
  p.make_file("folder/new", "abc");
  p.note_listing("folder, changed", "folder");
  p.call("rename", ::rename(p.at("folder/new").c_str(), p.at("folder/newer").c_str()));
  p.note_listing("folder, changed again", "folder");
}

void seeking_in_a_listing(Place& p) {
  make_files(p, "folder", 500);
  const Folder folder(::opendir(p.at("folder").c_str()));
  std::vector<std::string> first, second;
  std::vector<long> places;
  places.push_back(::telldir(folder.get()));
  while (const dirent* entry = ::readdir(folder.get())) {
    first.emplace_back(entry->d_name);
    places.push_back(::telldir(folder.get()));
  }
  p.note(text("entries ", first.size(), " distinct places ", std::set<long>(places.begin(), places.end()).size()));
  ::rewinddir(folder.get());
  second = rest_of(folder.get());
  p.note(text("rewound, the same: ", first == second ? "yes" : "no"));
  for (const std::size_t from :
       {std::size_t{0}, std::size_t{1}, std::size_t{250}, std::size_t{501}, std::size_t{502}}) {
    ::seekdir(folder.get(), places.at(from));
    second = rest_of(folder.get());
    const bool is_same =
        std::equal(first.begin() + static_cast<std::ptrdiff_t>(from), first.end(), second.begin(), second.end());
    p.note(text("from ", from, ", the same: ", is_same ? "yes" : "no"));
  }
}

void removing_while_listing(Place& p) {
  make_files(p, "folder", 1200);
  const Folder folder(::opendir(p.at("folder").c_str()));
  long removed = 0;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (entry->d_name[0] != '.' && ::unlinkat(::dirfd(folder.get()), entry->d_name, 0) == 0) ++removed;
  }
  p.note(text("removed ", removed));
  p.call("rmdir", ::rmdir(p.at("folder").c_str()));
}

void adding_while_listing(Place& p) {
  make_files(p, "folder", 300);
  const Folder folder(::opendir(p.at("folder").c_str()));
  std::multiset<std::string> seen;
  for (int index = 0; const dirent* entry = ::readdir(folder.get()); ++index) {
    seen.insert(entry->d_name);
    if (index % 10 == 0) p.make_file(text("folder/added-", index), "");
    if (index > 2000) break;
  }
  long old_ones = 0, twice = 0;
  for (const auto& name : seen) {
    old_ones += name.starts_with("model-") ? 1 : 0;
    twice += seen.count(name) > 1 ? 1 : 0;
  }
  p.note(text("of those that were there: ", old_ones, " seen twice: ", twice));
}

void prepare_many_entries(Place& p) {
  p.make_folder("many");
  make_entries(p.at("many"), kManyEntries);
}

void many_entries(Place& p) {
  p.note_listing("many", "many");
  p.note_stat("one of them", "many/model-99999");
  p.note_stat("none of them", "many/model-100000");
  const Folder folder(::opendir(p.at("many").c_str()));
  int passed = 0;
  while (passed < kManyEntries / 2 && ::readdir(folder.get()) != nullptr) ++passed;
  p.note(text("passed ", passed));
  const long place = ::telldir(folder.get());
  const std::vector<std::string> rest = rest_of(folder.get());
  ::seekdir(folder.get(), place);
  p.note(text("rest ", rest.size(), " the same: ", rest == rest_of(folder.get()) ? "yes" : "no"));
}

void stat_of_all_entries(Place& p) {
  make_files(p, "folder", 600);
  const Folder folder(::opendir(p.at("folder").c_str()));
  long files = 0;
  while (const dirent* entry = ::readdir(folder.get())) {
    struct stat status{};
    if (::fstatat(::dirfd(folder.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) p.note(entry->d_name);
    if (S_ISREG(status.st_mode)) ++files;
    if (entry->d_name[0] != '.' && status.st_ino != entry->d_ino) p.note("d_ino is not st_ino");
  }
  p.note(text("files ", files));
}

void links(Place& p) {
  p.make_file("file", "abc");
  p.make_folder("folder");
  p.call("link", ::link(p.at("file").c_str(), p.at("folder/other").c_str()));
  p.note_stat("file", "file");
  p.call("link again", ::link(p.at("file").c_str(), p.at("folder/other").c_str()));
  p.call("link of a folder", ::link(p.at("folder").c_str(), p.at("folder2").c_str()));
  p.call("link of missing", ::link(p.at("missing").c_str(), p.at("new").c_str()));
  p.call("link below missing", ::link(p.at("file").c_str(), p.at("missing/new").c_str()));
  p.call("symlink", ::symlink("file", p.at("soft").c_str()));
  p.call("link of a link", ::link(p.at("soft").c_str(), p.at("soft2").c_str()));
  p.note_stat("links to the link", "soft2");
  p.call("through the link",
         ::linkat(AT_FDCWD, p.at("soft").c_str(), AT_FDCWD, p.at("hard").c_str(), AT_SYMLINK_FOLLOW));
  p.note_stat("file", "file");
  const UniqueFd fd(::open(p.at("file").c_str(), O_RDONLY | O_CLOEXEC));
  p.call("by descriptor", ::linkat(AT_FDCWD, text("/proc/self/fd/", fd.get()).c_str(), AT_FDCWD, p.at("by_fd").c_str(),
                                   AT_SYMLINK_FOLLOW));
  p.call("unlink", ::unlink(p.at("file").c_str()));
  p.note_stat("left", "folder/other");
}

void symlinks(Place& p) {
  const std::string longest(4095, 'l');
  std::array<char, 5000> buffer{};
  for (const std::string& target : {std::string("file"), std::string("../up"), std::string("/etc/hostname"), longest}) {
    p.call("symlink", ::symlink(target.c_str(), p.at("link").c_str()));
    p.call("readlink", ::readlink(p.at("link").c_str(), buffer.data(), buffer.size()));
    p.note_stat("link", "link");
    p.call("readlink, short", ::readlink(p.at("link").c_str(), buffer.data(), 3));
    p.call("unlink", ::unlink(p.at("link").c_str()));
  }
  p.call("empty target", ::symlink("", p.at("link").c_str()));
  p.call("too long", ::symlink(std::string(4096, 'l').c_str(), p.at("link").c_str()));
  p.make_file("file", "abc");
  p.call("existing", ::symlink("x", p.at("file").c_str()));
  p.call("readlink of a file", ::readlink(p.at("file").c_str(), buffer.data(), buffer.size()));
  p.call("symlink", ::symlink("/etc/hostname", p.at("outside").c_str()));
  p.call("followed by the kernel", ::access(p.at("outside").c_str(), R_OK));
}

void renames(Place& p) {
  p.make_folder("a");
  p.make_folder("b");
  p.make_file("a/file", "one");
  p.call("rename", ::rename(p.at("a/file").c_str(), p.at("a/moved").c_str()));
  p.call("to another folder", ::rename(p.at("a/moved").c_str(), p.at("b/moved").c_str()));
  p.note_stat("gone", "a/moved");
  p.note_content("there", "b/moved");
  p.make_file("b/other", "two");
  p.call("over", ::rename(p.at("b/moved").c_str(), p.at("b/other").c_str()));
  p.note_content("over", "b/other");
  p.call("missing", ::rename(p.at("missing").c_str(), p.at("x").c_str()));
  p.call("to below missing", ::rename(p.at("b/other").c_str(), p.at("missing/x").c_str()));
  p.call("file over folder", ::rename(p.at("b/other").c_str(), p.at("a").c_str()));
  p.call("folder over file", ::rename(p.at("a").c_str(), p.at("b/other").c_str()));
  p.call("folder into itself", ::rename(p.at("a").c_str(), p.at("a/below").c_str()));
  p.call("onto itself", ::rename(p.at("b/other").c_str(), p.at("b/other").c_str()));
  p.call("folder over a full one", ::rename(p.at("a").c_str(), p.at("b").c_str()));
  p.call("folder over an empty one", ::rename(p.at("b").c_str(), p.at("a").c_str()));
  p.note_content("in it", "a/other");
  p.call("link", ::link(p.at("a/other").c_str(), p.at("a/twin").c_str()));
  p.call("over its own twin", ::rename(p.at("a/other").c_str(), p.at("a/twin").c_str()));
  p.note_listing("both stay", "a");
  p.make_file("name ends with a dot.", "dots");
  p.call("dotted", ::rename(p.at("name ends with a dot.").c_str(), p.at("...").c_str()));
}

void rename_flags(Place& p) {
  p.make_file("one", "1");
  p.make_file("two", "22");
  p.make_folder("folder");
  p.make_file("folder/inside", "333");
  const auto rename_with = [&p](const char* what, const char* from, const char* to, unsigned flags) {
    p.call(what, ::renameat2(AT_FDCWD, p.at(from).c_str(), AT_FDCWD, p.at(to).c_str(), flags));
  };
  rename_with("no replace, there", "one", "two", RENAME_NOREPLACE);
  rename_with("no replace, free", "one", "three", RENAME_NOREPLACE);
  rename_with("exchange", "three", "two", RENAME_EXCHANGE);
  p.note_content("two", "two");
  p.note_content("three", "three");
  rename_with("exchange with a folder", "two", "folder", RENAME_EXCHANGE);
  p.note_stat("two", "two");
  p.note_content("below two", "two/inside");
  rename_with("exchange with missing", "two", "missing", RENAME_EXCHANGE);
  rename_with("both flags", "two", "three", RENAME_EXCHANGE | RENAME_NOREPLACE);
  rename_with("unknown flag", "two", "three", 1U << 20);
}

void renamed_folder_with_open_files(Place& p) {
  p.make_folder("a");
  p.make_folder("a/b");
  p.make_file("a/b/file", "deep");
  const UniqueFd fd(::open(p.at("a/b/file").c_str(), O_RDWR | O_CLOEXEC));
  const UniqueFd folder(::open(p.at("a/b").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  p.call("rename", ::rename(p.at("a").c_str(), p.at("c").c_str()));
  p.call("write", ::pwrite(fd.get(), "DEEP", 4, 0));
  p.note_content("at its new place", "c/b/file");
  p.call("create by the folder's descriptor", ::mkdirat(folder.get(), "made", 0755));
  p.note_listing("folder", "c/b");
  p.call("move the file out", ::rename(p.at("c/b/file").c_str(), p.at("out").c_str()));
  p.call("write", ::pwrite(fd.get(), "out!", 4, 4));
  p.note_content("out", "out");
  p.make_folder("a");
  p.note_listing("a new one of the old name", "a");
}

}  // namespace

std::vector<ParityCase> folder_cases() {
  return {{"MkdirAndRmdir", mkdir_and_rmdir},
          {"Listing", listing},
          {"SeekingInAListing", seeking_in_a_listing},
          {"RemovingWhileListing", removing_while_listing},
          {"AddingWhileListing", adding_while_listing},
          {.name = "HundredThousandEntries", .run = many_entries, .prepare = prepare_many_entries, .is_large = true},
          {"StatOfAllEntries", stat_of_all_entries},
          {"Links", links},
          {"Symlinks", symlinks},
          {"Renames", renames},
          {"RenameFlags", rename_flags},
          {"RenamedFolderWithOpenFiles", renamed_folder_with_open_files}};
}

}  // namespace arenacache::test
