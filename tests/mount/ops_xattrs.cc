// SPDX-License-Identifier: Apache-2.0
// Parity cases: extended attributes and POSIX ACLs (as raw attributes, and by setfacl and getfacl where they are installed).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/child_process.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;

constexpr uid_t kUser = 65534;

/// One entry of an ACL as the kernel takes it. Source: linux/posix_acl_xattr.h.
struct AclEntry {
  std::uint16_t tag;
  std::uint16_t permissions;
  std::uint32_t id;
};
constexpr std::uint16_t kUserObject = 1, kNamedUser = 2, kGroupObject = 4, kMask = 16, kOther = 32;
constexpr std::uint32_t kNoId = ~0U;

std::string acl_bytes(const std::vector<AclEntry>& entries) {
  static_assert(std::endian::native == std::endian::little && sizeof(AclEntry) == 8);
  constexpr std::uint32_t kVersion = 2;
  std::string out(sizeof kVersion + entries.size() * sizeof(AclEntry), '\0');
  std::memcpy(out.data(), &kVersion, sizeof kVersion);
  std::memcpy(out.data() + sizeof kVersion, entries.data(), entries.size() * sizeof(AclEntry));
  return out;
}

std::string acl_for_user(std::uint16_t permissions) {
  return acl_bytes({{kUserObject, 6, kNoId},
                    {kNamedUser, permissions, kUser},
                    {kGroupObject, 4, kNoId},
                    {kMask, 7, kNoId},
                    {kOther, 0, kNoId}});
}

void get_attribute(Place& p, const char* what, const char* file, const char* name, std::size_t room) {
  std::string buffer(room, '\0');
  const long got = p.call(text(what, ", get"), ::lgetxattr(p.at(file).c_str(), name, buffer.data(), room));
  if (got > 0 && room > 0) p.note(digest({buffer.data(), static_cast<std::size_t>(got)}));
}

void set_attribute(Place& p, const char* what, const char* file, const char* name, std::string_view value,
                   int flags = 0) {
  p.call(text(what, ", set"), ::lsetxattr(p.at(file).c_str(), name, value.data(), value.size(), flags));
}

void user_attributes(Place& p) {
  p.make_file("file", "abc");
  get_attribute(p, "missing", "file", "user.none", 100);
  set_attribute(p, "new", "file", "user.color", "green");
  get_attribute(p, "whole", "file", "user.color", 100);
  get_attribute(p, "its size only", "file", "user.color", 0);
  get_attribute(p, "too little room", "file", "user.color", 3);
  get_attribute(p, "exact room", "file", "user.color", 5);
  set_attribute(p, "create, there", "file", "user.color", "red", XATTR_CREATE);
  set_attribute(p, "replace", "file", "user.color", "red", XATTR_REPLACE);
  set_attribute(p, "replace, missing", "file", "user.shape", "round", XATTR_REPLACE);
  get_attribute(p, "replaced", "file", "user.color", 100);
  set_attribute(p, "empty value", "file", "user.empty", "");
  get_attribute(p, "empty value", "file", "user.empty", 100);
  set_attribute(p, "bytes", "file", "user.bytes", std::string_view("\0\xff\n\0", 4));
  get_attribute(p, "bytes", "file", "user.bytes", 100);
  set_attribute(p, "long value", "file", "user.long", std::string(2000, 'v'));
  get_attribute(p, "long value", "file", "user.long", 4000);
  set_attribute(p, "too long", "file", "user.longer", std::string(65537, 'v'));
  set_attribute(p, "no prefix", "file", "color", "green");
  set_attribute(p, "unknown prefix", "file", "other.color", "green");
  set_attribute(p, "missing file", "missing", "user.color", "green");
}

void list_and_remove(Place& p) {
  p.make_file("file", "abc");
  std::string names(1000, '\0');
  p.call("empty list", ::listxattr(p.at("file").c_str(), names.data(), names.size()));
  set_attribute(p, "one", "file", "user.one", "1");
  set_attribute(p, "two", "file", "user.two", "2");
  p.call("list", ::listxattr(p.at("file").c_str(), names.data(), names.size()));
  p.call("size of the list", ::listxattr(p.at("file").c_str(), nullptr, 0));
  p.call("too little room", ::listxattr(p.at("file").c_str(), names.data(), 5));
  p.call("remove", ::removexattr(p.at("file").c_str(), "user.one"));
  p.call("remove again", ::removexattr(p.at("file").c_str(), "user.one"));
  p.call("list", ::listxattr(p.at("file").c_str(), names.data(), names.size()));
  const UniqueFd fd(::open(p.at("file").c_str(), O_RDONLY | O_CLOEXEC));
  p.call("fsetxattr", ::fsetxattr(fd.get(), "user.three", "3", 1, 0));
  p.call("fgetxattr", ::fgetxattr(fd.get(), "user.three", names.data(), names.size()));
  p.call("flistxattr", ::flistxattr(fd.get(), names.data(), names.size()));
  p.call("fremovexattr", ::fremovexattr(fd.get(), "user.three"));
}

void attributes_of_other_kinds(Place& p) {
  p.make_folder("folder");
  set_attribute(p, "folder", "folder", "user.color", "green");
  get_attribute(p, "folder", "folder", "user.color", 100);
  p.call("symlink", ::symlink("folder", p.at("link").c_str()));
  set_attribute(p, "link itself", "link", "user.color", "green");
  p.call("through the link", ::setxattr(p.at("link").c_str(), "user.shape", "round", 5, 0));
  get_attribute(p, "folder", "folder", "user.shape", 100);
  p.call("fifo", ::mkfifo(p.at("fifo").c_str(), 0600));
  set_attribute(p, "fifo", "fifo", "user.color", "green");
  p.make_file("file", "abc");
  set_attribute(p, "trusted", "file", "trusted.color", "green");
  get_attribute(p, "trusted", "file", "trusted.color", 100);
  get_attribute(p, "capability", "file", "security.capability", 100);
}

void raw_acl(Place& p) {
  p.make_file("file", "secret", 0640);
  get_attribute(p, "none yet", "file", "system.posix_acl_access", 200);
  set_attribute(p, "named user", "file", "system.posix_acl_access", acl_for_user(4));
  get_attribute(p, "named user", "file", "system.posix_acl_access", 200);
  p.note_stat("mode shows the mask", "file");
  p.as_user(kUser, kUser, {}, [](Place& there) {
    there.note_content("may read", "file");
    there.opened("may not write", ::open(there.at("file").c_str(), O_WRONLY | O_CLOEXEC));
  });
  set_attribute(p, "nothing allowed", "file", "system.posix_acl_access", acl_for_user(0));
  p.as_user(kUser, kUser, {}, [](Place& there) { there.note_content("may not read", "file"); });
  p.call("chmod cuts the mask", ::chmod(p.at("file").c_str(), 0600));
  get_attribute(p, "mask", "file", "system.posix_acl_access", 200);
  p.call("remove", ::removexattr(p.at("file").c_str(), "system.posix_acl_access"));
  get_attribute(p, "removed", "file", "system.posix_acl_access", 200);
  set_attribute(p, "garbage", "file", "system.posix_acl_access", "garbage");
  set_attribute(p, "default of a file", "file", "system.posix_acl_default", acl_for_user(4));
  set_attribute(p, "mode as an acl", "file", "system.posix_acl_access",
                acl_bytes({{kUserObject, 6, kNoId}, {kGroupObject, 4, kNoId}, {kOther, 4, kNoId}}));
  p.note_stat("mode as an acl", "file");
}

void default_acl(Place& p) {
  p.make_folder("folder");
  set_attribute(p, "default", "folder", "system.posix_acl_default",
                acl_bytes({{kUserObject, 7, kNoId},
                           {kNamedUser, 7, kUser},
                           {kGroupObject, 5, kNoId},
                           {kMask, 7, kNoId},
                           {kOther, 5, kNoId}}));
  for (const mode_t mask : {0U, 022U, 077U}) {
    const mode_t before = ::umask(mask);
    p.make_file(text("folder/file", mask), "abc", 0666);
    p.make_folder(text("folder/below", mask), 0777);
    p.call("fifo", ::mkfifo(p.at(text("folder/fifo", mask)).c_str(), 0666));
    p.make_file(text("without", mask), "abc", 0666);
    ::umask(before);
    p.note_stat("file", text("folder/file", mask));
    p.note_stat("folder", text("folder/below", mask));
    get_attribute(p, "file", text("folder/file", mask).c_str(), "system.posix_acl_access", 200);
    get_attribute(p, "folder", text("folder/below", mask).c_str(), "system.posix_acl_default", 200);
  }
  p.as_user(kUser, kUser, {}, [](Place& there) {
    there.note_content("named user reads", "folder/file63");
    there.make_file("folder/file18", "written by the named user");
  });
}

void acl_programs(Place& p) {
  const std::string setfacl = find_program("setfacl"), getfacl = find_program("getfacl");
  if (setfacl.empty() || getfacl.empty()) return p.note("no setfacl here");
  p.make_folder("folder");
  p.make_file("folder/file", "abc");
  p.call("setfacl", run_program({setfacl, "-m", "u:65534:rwx,g:1234:r-x", p.at("folder/file")}).exit_code);
  p.call("default", run_program({setfacl, "-d", "-m", "u:65534:rwx", p.at("folder")}).exit_code);
  p.make_file("folder/new", "abc");
  for (const char* name : {"folder", "folder/file", "folder/new"}) {
    p.note(digest(run_program({getfacl, "-n", "-p", "--omit-header", p.at(name)}).output));
  }
  p.call("remove all", run_program({setfacl, "-b", p.at("folder/file")}).exit_code);
  p.note_stat("file", "folder/file");
}

}  // namespace

std::vector<ParityCase> xattr_cases() {
  return {{"UserAttributes", user_attributes},
          {"ListAndRemove", list_and_remove},
          {.name = "AttributesOfOtherKinds", .run = attributes_of_other_kinds, .needs_root = true},
          {.name = "RawAcl", .run = raw_acl, .needs_root = true},
          {.name = "DefaultAcl", .run = default_acl, .needs_root = true},
          {"AclPrograms", acl_programs}};
}

}  // namespace arenacache::test
