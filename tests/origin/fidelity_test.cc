// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>

#include <chrono>
#include <cstdint>
#include <set>

#include "arenacache/origin/source_facts.h"
#include "fidelity_probe.h"
#include "origin_fixture.h"

namespace arenacache::test {
namespace {

using config::FidelityChoice;
using origin::fidelity_of;
using origin::find_mount;
using namespace std::chrono_literals;

constexpr std::int64_t kExt4 = 0xEF53;
constexpr std::int64_t kNfs = 0x6969;
constexpr std::int64_t kFuse = 0x65735546;
constexpr std::int64_t k9p = 0x01021997;
constexpr std::int64_t kVfat = 0x4D44;
constexpr std::int64_t kTmpfs = 0x01021994;

TEST(Fidelity, InodesAreTrustedOnlyWhereTheyOutliveAMount) {
  for (const std::int64_t magic : {kExt4, std::int64_t{0x58465342}, std::int64_t{0x9123683E}, std::int64_t{0x2FC12FC1},
                                   std::int64_t{0xF2F52010}, kNfs}) {
    EXPECT_TRUE(fidelity_of(magic, "").stable_inodes) << std::hex << magic;
  }
  for (const std::int64_t magic : {kFuse, k9p, kVfat, kTmpfs, std::int64_t{0xFE534D42}, std::int64_t{0x794C7630},
                                   std::int64_t{0x7366746E}, std::int64_t{0x12345678}}) {
    EXPECT_FALSE(fidelity_of(magic, "").stable_inodes) << std::hex << magic;
  }
}

TEST(Fidelity, SshfsIsAPathKeyedNetworkWithWholeSeconds) {
  const auto sshfs = fidelity_of(kFuse, "fuse.sshfs");
  EXPECT_EQ(sshfs.file_system, "fuse.sshfs");
  EXPECT_TRUE(sshfs.is_network);
  EXPECT_FALSE(sshfs.is_local_disk);
  EXPECT_FALSE(sshfs.has_ctime);
  EXPECT_EQ(sshfs.time_granularity, 1s);
}

TEST(Fidelity, KindsOfPlacesAreToldApart) {
  EXPECT_TRUE(fidelity_of(kExt4, "ext4").is_local_disk);
  EXPECT_LE(fidelity_of(kExt4, "ext4").time_granularity, 10ms);
  EXPECT_TRUE(fidelity_of(kNfs, "nfs4").is_network);
  EXPECT_TRUE(fidelity_of(k9p, "9p").is_network);
  EXPECT_EQ(fidelity_of(kVfat, "vfat").time_granularity, 2s);
  EXPECT_FALSE(fidelity_of(kFuse, "fuseblk").is_network);
  EXPECT_FALSE(fidelity_of(kTmpfs, "tmpfs").is_local_disk);
  EXPECT_FALSE(fidelity_of(kTmpfs, "tmpfs").is_network);
  EXPECT_TRUE(fidelity_of(0x12345678, "").is_network);  // the unknown is taken for the worst
}

TEST(Fidelity, MountinfoIsReadPastOptionalFields) {
  constexpr std::string_view kInfo =
      "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
      "36 22 0:45 / /mnt/nas rw shared:7 master:2 - nfs4 server:/models rw,vers=4.2\n"
      "37 22 0:46 / /mnt/a\\040b rw - fuse.sshfs user@host:/m rw\n"
      "broken line\n";
  EXPECT_EQ(find_mount(kInfo, "0:45").type, "nfs4");
  EXPECT_EQ(find_mount(kInfo, "0:45").source, "server:/models");
  EXPECT_EQ(find_mount(kInfo, "0:46").type, "fuse.sshfs");
  EXPECT_EQ(find_mount(kInfo, "254:0").type, "ext4");
  EXPECT_EQ(find_mount(kInfo, "9:9").type, "");
  EXPECT_EQ(find_mount("", "0:1").type, "");
}

TEST_F(LocalOriginTest, TheOwnersChoiceComesBeforeTheList) {
  const base::UniqueFd fd(::open(source().c_str(), O_PATH | O_CLOEXEC));
  const auto facts = must(origin::ask_source(fd.get()));
  const auto by_path = origin::fidelity_from(facts, FidelityChoice::path);
  EXPECT_FALSE(by_path.stable_inodes);
  EXPECT_EQ(by_path.file_system_id, 0U);
  const auto by_inode = origin::fidelity_from(facts, FidelityChoice::inode);
  EXPECT_TRUE(by_inode.stable_inodes);
  EXPECT_NE(by_inode.file_system_id, 0U);
  EXPECT_FALSE(by_inode.file_system.empty());
  EXPECT_EQ(must(origin::ask_source(fd.get())), facts);
}

TEST_F(LocalOriginTest, WhatASourceSaidIsKeptAsALine) {
  const base::UniqueFd fd(::open(source().c_str(), O_PATH | O_CLOEXEC));
  const auto asked = must(origin::ask_source(fd.get()));
  const origin::SourceFacts odd{.magic = -7, .type = "a type with spaces", .id = ~0ULL, .device = 1};
  for (const auto& facts : {asked, odd, origin::SourceFacts{}}) {
    EXPECT_EQ(must(origin::parse_source_facts(to_text(facts))), facts);
  }
  for (const char* line : {"", "1", "1 2", "1 2 3", "1 -2 3 ext4", "x 2 3 ext4", "1  3 ext4"}) {
    EXPECT_TRUE(has_kind(origin::parse_source_facts(line), base::ErrorKind::invalid)) << line;
  }
}

TEST(Fidelity, AFileSystemWithoutAnIdIsKnownByItsPaths) {
  const origin::SourceFacts nameless{.magic = kExt4, .type = "ext4"};
  EXPECT_FALSE(origin::fidelity_from(nameless, FidelityChoice::automatic).stable_inodes);
  EXPECT_TRUE(origin::fidelity_from(nameless, FidelityChoice::inode).stable_inodes) << "the owner's word";
}

TEST_F(LocalOriginTest, AVersionIsSizeAndTimesAndInode) {
  const std::string path = write("f", "12345");
  const auto before = origin::version_of(must(origin_->stat("f")));
  EXPECT_EQ(before.size, 5U);
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  const auto after = origin::version_of(must(origin_->stat("f")));
  EXPECT_TRUE(after.same_data(before));
  ASSERT_TRUE(is_ok(origin_->set_attributes("f", {.modify_time = timespec{.tv_sec = 7, .tv_nsec = 9}}, me())));
  const auto touched = origin::version_of(must(origin_->stat("f")));
  EXPECT_FALSE(touched.same_data(before));
  EXPECT_EQ(touched.mtime_ns, 7'000'000'009);
}

/// A mount that is gone when the test is.
class MountedTmpfs {
 public:
  explicit MountedTmpfs(std::string at) : at_(std::move(at)) {
    ::mkdir(at_.c_str(), 0755);
    is_mounted_ = ::mount("arenacache-test", at_.c_str(), "tmpfs", 0, "size=1m") == 0;
  }
  ~MountedTmpfs() {
    if (is_mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  MountedTmpfs(const MountedTmpfs&) = delete;
  MountedTmpfs& operator=(const MountedTmpfs&) = delete;
  [[nodiscard]] bool is_mounted() const { return is_mounted_; }

 private:
  std::string at_;
  bool is_mounted_ = false;
};

TEST_F(LocalOriginTest, InodesOfFileSystemsMountedInsideTheSourceMeetNobodyElses) {
  const MountedTmpfs one(source("one"));
  const MountedTmpfs two(source("two"));
  if (!one.is_mounted() || !two.is_mounted()) GTEST_SKIP() << "cannot mount here";
  std::set<std::uint64_t> inodes;
  for (const char* name : {"home", "one/f", "two/f"}) {
    write(name, "x");
    const auto seen = must(origin_->stat(name)).st_ino;
    EXPECT_TRUE(inodes.insert(seen).second) << name;
    EXPECT_EQ(must(must(origin_->open(name, O_RDONLY, nullptr))->stat()).st_ino, seen) << name;
  }
  struct ::stat plain{};
  ASSERT_EQ(::stat(source("one/f").c_str(), &plain), 0);
  EXPECT_NE(must(origin_->stat("one/f")).st_ino, plain.st_ino);
  const auto listed = must(origin_->list("one"));
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed.front().inode, must(origin_->stat("one/f")).st_ino);
  const std::string names[] = {"f"};
  EXPECT_EQ(must(must(origin_->stat_names("one", names)).front()).st_ino, listed.front().inode);
  EXPECT_EQ(must(open_source()->stat("one/f")).st_ino, listed.front().inode);  // and the same after a restart
}

}  // namespace
}  // namespace arenacache::test
