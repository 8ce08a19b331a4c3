// SPDX-License-Identifier: Apache-2.0
// On whose behalf LocalOrigin creates; needs root, as the daemon that serves several users does.
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "origin_fixture.h"

namespace arenacache::test {
namespace {

constexpr uid_t kUser = 40001;
constexpr gid_t kGroup = 40002;
constexpr gid_t kTeam = 40003;

class LocalCaller : public LocalOriginTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
    ASSERT_EQ(::chmod(source().c_str(), 0777), 0);
  }
  static origin::Caller user(mode_t umask = 022) {
    return {.uid = kUser, .gid = kGroup, .groups = {kTeam}, .umask = umask};
  }
};

TEST_F(LocalCaller, WhatIsCreatedBelongsToTheCaller) {
  ASSERT_TRUE(is_ok(origin_->create("f", {.flags = O_CREAT | O_RDWR, .mode = 0666}, user(027))));
  ASSERT_TRUE(is_ok(origin_->make_directory("d", 0777, user(077))));
  ASSERT_TRUE(is_ok(origin_->make_symlink("l", "f", user())));
  ASSERT_TRUE(is_ok(origin_->make_node("p", S_IFIFO | 0666, 0, user(0))));
  for (const char* name : {"f", "d", "l", "p"}) {
    EXPECT_EQ(must(origin_->stat(name)).st_uid, kUser) << name;
    EXPECT_EQ(must(origin_->stat(name)).st_gid, kGroup) << name;
  }
  EXPECT_EQ(must(origin_->stat("f")).st_mode & 07777, 0640U);
  EXPECT_EQ(must(origin_->stat("d")).st_mode & 07777, 0700U);
  EXPECT_EQ(must(origin_->stat("p")).st_mode & 07777, 0666U);
}

TEST_F(LocalCaller, ASetgidFolderGivesItsGroup) {
  ASSERT_EQ(::mkdir(source("team").c_str(), 0755), 0);
  ASSERT_EQ(::chown(source("team").c_str(), 0, kTeam), 0);
  ASSERT_EQ(::chmod(source("team").c_str(), 02775), 0);
  ASSERT_TRUE(is_ok(origin_->create("team/f", {.flags = O_CREAT | O_RDWR, .mode = 0664}, user(002))));
  ASSERT_TRUE(is_ok(origin_->make_directory("team/d", 0775, user(002))));
  EXPECT_EQ(must(origin_->stat("team/f")).st_gid, kTeam);
  EXPECT_EQ(must(origin_->stat("team/d")).st_mode & 07777, 02775U);
}

TEST_F(LocalCaller, SupplementaryGroupsOpenAFolderAndTheirLackCloses) {
  ASSERT_EQ(::mkdir(source("team").c_str(), 0755), 0);
  ASSERT_EQ(::chown(source("team").c_str(), 0, kTeam), 0);
  ASSERT_EQ(::chmod(source("team").c_str(), 0770), 0);
  EXPECT_TRUE(is_ok(origin_->create("team/f", {.flags = O_CREAT | O_RDWR, .mode = 0644}, user())));
  origin::Caller stranger = user();
  stranger.groups.clear();
  EXPECT_EQ(errno_of(origin_->create("team/g", {.flags = O_CREAT | O_RDWR, .mode = 0644}, stranger)), EACCES);
  EXPECT_EQ(errno_of(origin_->make_node("team/null", S_IFCHR | 0666, 0x103, user())), EPERM);  // no CAP_MKNOD
}

// A default ACL as setfacl -d -m u::rwx,g::rwx,o::r-- writes it. Source: linux/posix_acl_xattr.h.
std::string default_acl() {
  struct Entry {
    std::uint16_t tag;
    std::uint16_t permissions;
    std::uint32_t id;
  };
  constexpr std::array<Entry, 3> kEntries{{{0x01, 7, 0xFFFFFFFF}, {0x04, 7, 0xFFFFFFFF}, {0x20, 4, 0xFFFFFFFF}}};
  constexpr std::uint32_t kVersion = 2;
  std::string value(sizeof kVersion + sizeof kEntries, '\0');
  std::memcpy(value.data(), &kVersion, sizeof kVersion);
  std::memcpy(value.data() + sizeof kVersion, kEntries.data(), sizeof kEntries);
  return value;
}

TEST_F(LocalCaller, ADefaultAclTakesTheUmasksPlace) {
  ASSERT_EQ(::mkdir(source("shared").c_str(), 0777), 0);
  ASSERT_EQ(::chmod(source("shared").c_str(), 0777), 0);
  const std::string acl = default_acl();
  if (::setxattr(source("shared").c_str(), "system.posix_acl_default", acl.data(), acl.size(), 0) != 0) {
    GTEST_SKIP() << "no ACLs here";
  }
  ASSERT_TRUE(is_ok(origin_->create("shared/f", {.flags = O_CREAT | O_RDWR, .mode = 0666}, user(077))));
  EXPECT_EQ(must(origin_->stat("shared/f")).st_mode & 07777, 0664U);
  EXPECT_EQ(must(origin_->get_xattr("shared", "system.posix_acl_default")), acl);
}

TEST_F(LocalCaller, TheThreadIsTheDaemonAgainAfterwards) {
  ASSERT_TRUE(is_ok(origin_->make_directory("d", 0777, user(077))));
  EXPECT_EQ(::setfsuid(static_cast<uid_t>(-1)), 0);
  EXPECT_EQ(::setfsgid(static_cast<gid_t>(-1)), 0);
  std::array<gid_t, 64> groups{};
  const int count = ::getgroups(64, groups.data());
  for (int i = 0; i < count; ++i) EXPECT_NE(groups.at(static_cast<std::size_t>(i)), kTeam);
  const int fd = ::open(source("mine").c_str(), O_CREAT | O_RDWR, 0600);
  EXPECT_GE(fd, 0);
  ::close(fd);
  EXPECT_EQ(must(origin_->stat("mine")).st_uid, 0U);
}

TEST_F(LocalCaller, CallersOnOtherThreadsDoNotMix) {
  constexpr int kFiles = 200;
  const auto make = [&](uid_t uid, mode_t umask) {
    const origin::Caller caller{.uid = uid, .gid = uid, .groups = {uid}, .umask = umask};
    for (int i = 0; i < kFiles; ++i) {
      const std::string name = std::to_string(uid) + "." + std::to_string(i);
      EXPECT_TRUE(is_ok(origin_->create(name, {.flags = O_CREAT | O_RDWR, .mode = 0666}, caller)));
    }
  };
  {
    const std::jthread one(make, 40011, mode_t{077});
    const std::jthread two(make, 40012, mode_t{002});
  }
  for (int i = 0; i < kFiles; ++i) {
    const auto one = must(origin_->stat("40011." + std::to_string(i)));
    const auto two = must(origin_->stat("40012." + std::to_string(i)));
    EXPECT_EQ(one.st_uid, 40011U);
    EXPECT_EQ(two.st_uid, 40012U);
    EXPECT_EQ(one.st_mode & 07777, 0600U);
    EXPECT_EQ(two.st_mode & 07777, 0664U);
  }
}

TEST_F(LocalCaller, OtherChangesAreMadeAsTheDaemon) {
  // A folder that the caller cannot even enter by now: the kernel checked when it let the request through.
  ASSERT_EQ(::mkdir(source("locked").c_str(), 0700), 0);
  write("locked/f", "x");
  EXPECT_TRUE(is_ok(origin_->set_attributes("locked/f", {.mode = 0600}, user())));
  EXPECT_TRUE(is_ok(origin_->rename("locked/f", "locked/g", 0, user())));
  EXPECT_TRUE(is_ok(origin_->unlink("locked/g", user())));
}

// Takes from this thread, for good, what makes root more than any other user of a file system: as a server squashes root.
void squash_this_thread() {
  ::__user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<::__user_cap_data_struct, 2> sets{};
  ASSERT_EQ(::syscall(SYS_capget, &header, sets.data()), 0);
  constexpr unsigned kFileSystem = (1U << CAP_DAC_OVERRIDE) | (1U << CAP_DAC_READ_SEARCH) | (1U << CAP_FOWNER);
  sets[0].effective &= ~kFileSystem;
  sets[0].permitted &= ~kFileSystem;
  ASSERT_EQ(::syscall(SYS_capset, &header, sets.data()), 0);
}

TEST_F(LocalCaller, WhereTheDaemonIsRefusedTheCallerIsAsked) {
  write("private/f", "0123456789");
  ASSERT_EQ(::chown(source("private").c_str(), kUser, kGroup), 0);
  ASSERT_EQ(::chmod(source("private").c_str(), 0755), 0);
  ASSERT_EQ(::chown(source("private/f").c_str(), kUser, kGroup), 0);
  ASSERT_EQ(::chmod(source("private/f").c_str(), 0600), 0);
  std::thread([&] {
    squash_this_thread();
    const origin::Caller owner = user();
    EXPECT_EQ(errno_of(origin_->open("private/f", O_RDONLY, nullptr)), EACCES);
    const auto file = must(origin_->open("private/f", O_RDONLY, &owner));
    EXPECT_EQ(read_all(*file), "0123456789");
    EXPECT_TRUE(is_ok(origin_->set_attributes("private/f", {.mode = 0640, .size = 4}, owner)));
    EXPECT_TRUE(is_ok(origin::set_attributes(*file, {.mode = 0600}, owner)));
    EXPECT_TRUE(is_ok(origin_->rename("private/f", "private/g", 0, owner)));
    origin::Caller stranger = user();
    stranger.uid = 40009;
    EXPECT_EQ(errno_of(origin_->unlink("private/g", stranger)), EACCES);
    EXPECT_TRUE(is_ok(origin_->unlink("private/g", owner)));
  }).join();
}

}  // namespace
}  // namespace arenacache::test
