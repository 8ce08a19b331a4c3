// SPDX-License-Identifier: Apache-2.0
// Parity cases: files of other users: who owns what is made, who may do what.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
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

constexpr uid_t kNobodyElse = 65534;
constexpr gid_t kTeam = 4242;

void make_open_folder(Place& p, const char* name, mode_t mode) {
  p.make_folder(name);
  p.call("chmod", ::chmod(p.at(name).c_str(), mode));
}

void made_by_another_user(Place& p) {
  make_open_folder(p, "open", 0777);
  p.as_user(kNobodyElse, kNobodyElse, {}, [](Place& there) {
    for (const mode_t mask : {0U, 022U, 027U, 077U}) {
      ::umask(mask);
      there.make_file(text("open/file", mask), "mine", 0666);
      there.make_folder(text("open/folder", mask), 0777);
      there.call("fifo", ::mkfifo(there.at(text("open/fifo", mask)).c_str(), 0666));
      there.call("socket", ::mknod(there.at(text("open/socket", mask)).c_str(), S_IFSOCK | 0666, 0));
      there.call("symlink", ::symlink("x", there.at(text("open/link", mask)).c_str()));
      there.note_stat("file", text("open/file", mask));
      there.note_stat("folder", text("open/folder", mask));
      there.note_stat("link", text("open/link", mask));
    }
    there.call("device", ::mknod(there.at("open/device").c_str(), S_IFCHR | 0600, 0));
  });
  p.note_listing("open", "open");
}

void denied(Place& p) {
  p.make_file("secret", "secret", 0600);
  p.make_file("public", "public", 0644);
  make_open_folder(p, "closed", 0700);
  p.make_file("closed/file", "abc");
  p.as_user(kNobodyElse, kNobodyElse, {}, [](Place& there) {
    there.note_content("secret", "secret");
    there.note_stat("stat of it is allowed", "secret");
    there.note_content("public", "public");
    there.opened("write", ::open(there.at("public").c_str(), O_WRONLY | O_CLOEXEC));
    there.opened("truncating read", ::open(there.at("public").c_str(), O_RDONLY | O_TRUNC | O_CLOEXEC));
    there.call("truncate", ::truncate(there.at("public").c_str(), 0));
    there.call("chmod", ::chmod(there.at("public").c_str(), 0666));
    there.call("chown", ::chown(there.at("public").c_str(), kNobodyElse, kNobodyElse));
    const std::array<timespec, 2> times{timespec{.tv_sec = 5, .tv_nsec = 0}, timespec{.tv_sec = 5, .tv_nsec = 0}};
    there.call("times", ::utimensat(AT_FDCWD, there.at("public").c_str(), times.data(), 0));
    there.call("touch", ::utimensat(AT_FDCWD, there.at("public").c_str(), nullptr, 0));
    there.opened("create", ::open(there.at("new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    there.call("mkdir", ::mkdir(there.at("new").c_str(), 0755));
    there.call("symlink", ::symlink("x", there.at("new").c_str()));
    there.call("unlink", ::unlink(there.at("public").c_str()));
    there.call("rename", ::rename(there.at("public").c_str(), there.at("mine").c_str()));
    there.note_listing("closed", "closed");
    there.note_stat("in closed", "closed/file");
    there.call("access", ::access(there.at("public").c_str(), W_OK));
    there.call("setxattr", ::setxattr(there.at("public").c_str(), "user.a", "b", 1, 0));
    there.call("getxattr", ::getxattr(there.at("secret").c_str(), "user.a", nullptr, 0));
    there.call("execute", ::access(there.at("public").c_str(), X_OK));
  });
}

void own_files(Place& p) {
  make_open_folder(p, "open", 0777);
  p.as_user(kNobodyElse, kNobodyElse, {}, [](Place& there) {
    there.make_file("open/mine", "abc");
    there.call("chmod", ::chmod(there.at("open/mine").c_str(), 0600));
    there.call("give away", ::chown(there.at("open/mine").c_str(), 0, 0));
    there.call("to a strange group", ::chown(there.at("open/mine").c_str(), static_cast<uid_t>(-1), kTeam));
    there.call("to the own group", ::chown(there.at("open/mine").c_str(), static_cast<uid_t>(-1), kNobodyElse));
    there.call("setgid", ::chmod(there.at("open/mine").c_str(), 02755));
    there.note_stat("mine", "open/mine");
    there.call("no rights at all", ::chmod(there.at("open/mine").c_str(), 0));
    there.note_content("mine", "open/mine");
    there.call("unlink", ::unlink(there.at("open/mine").c_str()));
    const UniqueFd sealed(
        there.opened("sealed", ::open(there.at("open/sealed").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0)));
    there.call("write to what one may not open", ::write(sealed.get(), "abc", 3));
    there.call("truncate it", ::ftruncate(sealed.get(), 2));
    there.note_stat("sealed", sealed.get());
  });
}

void supplementary_groups(Place& p) {
  p.make_file("team", "for the team", 0640);
  p.call("chown", ::chown(p.at("team").c_str(), 0, kTeam));
  make_open_folder(p, "shared", 0770);
  p.call("chown", ::chown(p.at("shared").c_str(), 0, kTeam));
  p.as_user(kNobodyElse, kNobodyElse, {}, [](Place& there) {
    there.note_content("outside", "team");
    there.make_file("shared/out", "abc");
  });
  p.as_user(kNobodyElse, kNobodyElse, {kTeam, 7}, [](Place& there) {
    there.note_content("inside", "team");
    there.make_file("shared/in", "abc");
    there.note_stat("in", "shared/in");
    there.call("to the team", ::chown(there.at("shared/in").c_str(), static_cast<uid_t>(-1), kTeam));
    there.note_stat("in", "shared/in");
    there.call("setgid stays", ::chmod(there.at("shared/in").c_str(), 02750));
    there.note_stat("in", "shared/in");
  });
}

void setgid_folders(Place& p) {
  make_open_folder(p, "team", 0777);
  p.call("chown", ::chown(p.at("team").c_str(), 0, kTeam));
  p.call("setgid", ::chmod(p.at("team").c_str(), 02777));
  const auto make_all = [](Place& there, const char* who) {
    there.make_file(text("team/file-", who), "abc", 0664);
    there.make_folder(text("team/folder-", who), 0775);
    there.call("fifo", ::mkfifo(there.at(text("team/fifo-", who)).c_str(), 0660));
    there.call("symlink", ::symlink("x", there.at(text("team/link-", who)).c_str()));
    there.make_file(text("team/program-", who), "abc", 02775);
    for (const char* kind : {"file-", "folder-", "fifo-", "link-", "program-"}) {
      there.note_stat(kind, text("team/", kind, who));
    }
  };
  make_all(p, "root");
  p.as_user(kNobodyElse, kNobodyElse, {}, [&](Place& there) { make_all(there, "nobody"); });
  p.as_user(kNobodyElse, kNobodyElse, {kTeam}, [&](Place& there) { make_all(there, "member"); });
}

void sticky_folders(Place& p) {
  make_open_folder(p, "tmp", 01777);
  p.make_file("tmp/of_root", "abc", 0666);
  p.as_user(kNobodyElse, kNobodyElse, {}, [](Place& there) {
    there.make_file("tmp/mine", "abc");
    there.call("unlink of another's", ::unlink(there.at("tmp/of_root").c_str()));
    there.call("rename of another's", ::rename(there.at("tmp/of_root").c_str(), there.at("tmp/x").c_str()));
    there.call("rename over another's", ::rename(there.at("tmp/mine").c_str(), there.at("tmp/of_root").c_str()));
    there.call("unlink of the own", ::unlink(there.at("tmp/mine").c_str()));
  });
}

void setuid_is_lost_by_writing(Place& p) {
  p.make_file("program", "abc", 0777);
  p.call("chmod", ::chmod(p.at("program").c_str(), 06777));
  p.note_stat("program", "program");
  p.as_user(kNobodyElse, kNobodyElse, {}, [](Place& there) {
    const UniqueFd fd(there.opened("open", ::open(there.at("program").c_str(), O_WRONLY | O_CLOEXEC)));
    there.call("write", ::write(fd.get(), "x", 1));
    there.note_stat("after", fd.get());
  });
  p.note_stat("program", "program");
  p.call("chmod", ::chmod(p.at("program").c_str(), 06777));
  p.as_user(kNobodyElse, kNobodyElse, {},
            [](Place& there) { there.call("truncate", ::truncate(there.at("program").c_str(), 1)); });
  p.note_stat("program", "program");
}

void hard_links_of_others(Place& p) {
  make_open_folder(p, "open", 0777);
  p.make_file("open/of_root", "abc", 0600);
  p.as_user(kNobodyElse, kNobodyElse, {}, [](Place& there) {
    there.call("protected by the kernel", ::link(there.at("open/of_root").c_str(), there.at("open/mine").c_str()));
    there.make_file("open/own", "abc");
    there.call("own", ::link(there.at("open/own").c_str(), there.at("open/own2").c_str()));
  });
}

void open_keeps_its_rights(Place& p) {
  p.make_file("file", "abc", 0666);
  const UniqueFd before(::open(p.at("file").c_str(), O_RDWR | O_CLOEXEC));
  p.as_user(kNobodyElse, kNobodyElse, {}, [](Place& there) {
    const UniqueFd fd(there.opened("open", ::open(there.at("file").c_str(), O_RDWR | O_CLOEXEC)));
    there.call("write", ::write(fd.get(), "one", 3));
  });
  p.call("close it to others", ::chmod(p.at("file").c_str(), 0600));
  p.call("own open", ::pwrite(before.get(), "two", 3, 3));
  p.as_user(kNobodyElse, kNobodyElse, {}, [&before](Place& there) {
    there.opened("open", ::open(there.at("file").c_str(), O_RDONLY | O_CLOEXEC));
    there.call("inherited descriptor", ::pwrite(before.get(), "three", 5, 6));
  });
  p.note_content("file", "file");
}

}  // namespace

std::vector<ParityCase> user_cases() {
  const auto by_root = [](const char* name, void (*run)(Place&)) {
    return ParityCase{.name = name, .run = run, .needs_root = true};
  };
  return {by_root("MadeByAnotherUser", made_by_another_user),
          by_root("Denied", denied),
          by_root("OwnFiles", own_files),
          by_root("SupplementaryGroups", supplementary_groups),
          by_root("SetgidFolders", setgid_folders),
          by_root("StickyFolders", sticky_folders),
          by_root("SetuidIsLostByWriting", setuid_is_lost_by_writing),
          by_root("HardLinksOfOthers", hard_links_of_others),
          by_root("OpenKeepsItsRights", open_keeps_its_rights)};
}

}  // namespace arenacache::test
