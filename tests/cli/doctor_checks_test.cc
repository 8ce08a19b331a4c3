// SPDX-License-Identifier: Apache-2.0
#include "doctor_checks.h"

#include <gtest/gtest.h>
#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/units.h"

namespace arenacache::cli {
namespace {

using base::kGiB;
using std::chrono::microseconds;

FolderFacts disk(std::string type, std::uint64_t device) {
  return {.file_system = std::move(type),
          .device = device,
          .total_bytes = 1000 * kGiB,
          .free_bytes = 500 * kGiB,
          .free_files = 1'000'000};
}

/// A machine where all is as it should be: models on a NAS, the store on an SSD, the daemon running.
MachineFacts healthy() {
  MachineFacts facts{.own_version = "1.0", .socket = "/run/s", .config_file = "/etc/c.toml", .has_config = true};
  facts.daemon = DaemonFacts{.version = "1.0",
                             .mode = "active",
                             .has_passthrough = true,
                             .capacity_bytes = 200 * kGiB,
                             .held_open_bytes = kGiB};
  facts.is_root = true;
  facts.kernel_release = "6.12.5-amd64";
  facts.libfuse_version = 314;
  facts.has_fuse_device = true;
  facts.has_fusermount = true;
  facts.capabilities = ~std::uint64_t{0};
  facts.open_file_limit = 1'048'576;
  facts.inotify_watches = 65'536;
  facts.sources.push_back({.name = "models", .path = "/nas/models", .mountpoint = "/models"});
  facts.sources[0].folder = disk("nfs4", 7);
  facts.sources[0].speed = ReadSpeed{.bytes_per_second = 110e6, .page_latency = microseconds(900)};
  facts.sources[0].health = "up";
  facts.store = StoreFacts{.path = "/ssd/store", .capacity_bytes = 200 * kGiB, .keep_free_bytes = 2 * kGiB};
  facts.store->folder = disk("ext4", 8);
  facts.store->speed = ReadSpeed{.bytes_per_second = 2e9, .page_latency = microseconds(80)};
  facts.store->index_is_sound = true;
  facts.mounts.push_back({.mountpoint = "/models", .state = MountState::alive, .connection = "42"});
  return facts;
}

/// The worst finding of a check.
Finding find(const MachineFacts& facts, std::string_view check) {
  Finding worst{.check = "none of that name"};
  for (Finding& finding : check_all(facts)) {
    if (finding.check != check) continue;
    if (worst.check != check || finding.verdict > worst.verdict) worst = std::move(finding);
  }
  EXPECT_EQ(worst.check, check);
  return worst;
}

Verdict verdict(const MachineFacts& facts, std::string_view check) { return find(facts, check).verdict; }

bool tells(const Finding& finding, std::string_view words) {
  return finding.what.contains(words) ||
         std::ranges::any_of(finding.remedy, [&](const std::string& line) { return line.contains(words); });
}

TEST(DoctorChecks, AHealthyMachineIsOkInEveryLine) {
  for (const Finding& finding : check_all(healthy())) {
    EXPECT_EQ(finding.verdict, Verdict::ok) << finding.check << ": " << finding.what;
    EXPECT_TRUE(finding.remedy.empty()) << finding.check;
    EXPECT_FALSE(finding.what.empty()) << finding.check;
  }
}

TEST(DoctorChecks, WhatIsNotOkSaysWhatToDo) {
  MachineFacts nothing;
  nothing.why_no_daemon = "no daemon answers";
  for (const Finding& finding : check_all(nothing)) {
    EXPECT_FALSE(finding.what.empty()) << finding.check;
    EXPECT_TRUE(finding.verdict == Verdict::ok || !finding.remedy.empty()) << finding.check << ": " << finding.what;
  }
}

TEST(DoctorChecks, TheKernelIsJudgedByWhatItCanDo) {
  MachineFacts facts = healthy();
  const auto of = [&](const char* release) {
    facts.kernel_release = release;
    return verdict(facts, "kernel");
  };
  EXPECT_EQ(of("6.9.0"), Verdict::ok);
  EXPECT_EQ(of("7.0-rc1"), Verdict::ok);
  EXPECT_EQ(of("6.8.0-31-generic"), Verdict::warn);
  EXPECT_EQ(of("5.15.0"), Verdict::warn);
  EXPECT_EQ(of("5.1.0"), Verdict::fail);
  EXPECT_EQ(of("what"), Verdict::fail);
  EXPECT_EQ(of(""), Verdict::fail);
}

TEST(DoctorChecks, WslIsToldByTheKernel) {
  MachineFacts facts = healthy();
  facts.kernel_release = "5.15.167.4-microsoft-standard-WSL2";
  EXPECT_EQ(verdict(facts, "wsl"), Verdict::ok);
  EXPECT_TRUE(tells(find(facts, "wsl"), "WSL2"));
  facts.kernel_release = "4.4.0-19041-Microsoft";
  EXPECT_EQ(verdict(facts, "wsl"), Verdict::fail);
}

TEST(DoctorChecks, LibfuseAndItsDeviceMustBeThere) {
  MachineFacts facts = healthy();
  facts.libfuse_version = 310;
  EXPECT_EQ(verdict(facts, "libfuse"), Verdict::fail);
  facts.libfuse_version.reset();
  EXPECT_EQ(verdict(facts, "libfuse"), Verdict::fail);
  facts.libfuse_version = 317;
  facts.has_fuse_device = false;
  EXPECT_EQ(verdict(facts, "libfuse"), Verdict::fail);
  facts.has_fuse_device = true;
  facts.has_fusermount = false;
  EXPECT_EQ(verdict(facts, "libfuse"), Verdict::ok) << "root does without";
  facts.is_root = false;
  facts.daemon.reset();
  EXPECT_EQ(verdict(facts, "libfuse"), Verdict::fail);
}

TEST(DoctorChecks, AMissingCapabilityIsNamedWithItsLoss) {
  MachineFacts facts = healthy();
  *facts.capabilities &= ~(std::uint64_t{1} << CAP_CHOWN);
  const Finding finding = find(facts, "capabilities");
  EXPECT_EQ(finding.verdict, Verdict::warn);
  EXPECT_TRUE(finding.what.ends_with("lacks CAP_CHOWN")) << finding.what;
  EXPECT_TRUE(tells(finding, "chown through the mount"));
  facts.capabilities.reset();
  EXPECT_EQ(verdict(facts, "capabilities"), Verdict::ok);
}

TEST(DoctorChecks, PassthroughSaysWhyNot) {
  MachineFacts facts = healthy();
  facts.daemon->has_passthrough = false;
  facts.daemon->no_passthrough_reason = "the store lies on tmpfs";
  EXPECT_EQ(verdict(facts, "passthrough"), Verdict::warn);
  EXPECT_TRUE(tells(find(facts, "passthrough"), "the store lies on tmpfs"));
  facts.daemon.reset();
  EXPECT_EQ(verdict(facts, "passthrough"), Verdict::ok);
  facts.capabilities = 0;
  EXPECT_TRUE(tells(find(facts, "passthrough"), "CAP_SYS_ADMIN"));
  facts.kernel_release = "6.1.0";
  EXPECT_TRUE(tells(find(facts, "passthrough"), "Linux 6.1.0 has none"));
}

TEST(DoctorChecks, LowLimitsAreTold) {
  MachineFacts facts = healthy();
  facts.open_file_limit = 1024;
  EXPECT_TRUE(tells(find(facts, "limits"), "LimitNOFILE"));
  facts.inotify_watches = 100;
  EXPECT_TRUE(tells(find(facts, "limits"), "max_user_watches"));
  EXPECT_EQ(verdict(facts, "limits"), Verdict::warn);
}

TEST(DoctorChecks, ASourceThatDoesNotAnswerFails) {
  MachineFacts facts = healthy();
  facts.sources[0].folder.reset();
  EXPECT_EQ(verdict(facts, "origin"), Verdict::fail);
  facts.sources[0].folder = FolderFacts{.errno_value = ENOENT};
  EXPECT_TRUE(tells(find(facts, "origin"), "No such file"));
  facts.sources[0].folder = FolderFacts{.errno_value = EACCES};
  EXPECT_EQ(verdict(facts, "origin"), Verdict::fail);
  facts.is_root = false;
  EXPECT_EQ(verdict(facts, "origin"), Verdict::ok) << "the daemon may see what its asker may not";
}

TEST(DoctorChecks, TheDaemonsWordOnHealthCounts) {
  MachineFacts facts = healthy();
  facts.sources[0].health = "down";
  EXPECT_EQ(verdict(facts, "origin"), Verdict::fail);
  facts.sources[0].health = "degraded";
  EXPECT_EQ(verdict(facts, "origin"), Verdict::warn);
  facts.sources[0].health = "";
  EXPECT_EQ(verdict(facts, "origin"), Verdict::ok);
  facts.sources[0].lost_threads = 2;
  EXPECT_TRUE(tells(find(facts, "origin"), "2 calls that never came back"));
}

TEST(DoctorChecks, FidelityIsThatOfTheFileSystem) {
  MachineFacts facts = healthy();
  const auto of = [&](const char* type) {
    facts.sources[0].folder->file_system = type;
    return find(facts, "fidelity");
  };
  EXPECT_TRUE(tells(of("xfs"), "by their inode"));
  EXPECT_TRUE(tells(of("fuse.sshfs"), "by their path"));
  EXPECT_EQ(of("exfat").verdict, Verdict::warn);
}

TEST(DoctorChecks, TheStoreMustBeFasterThanTheSource) {
  MachineFacts facts = healthy();
  facts.store->speed = ReadSpeed{.bytes_per_second = 120e6, .page_latency = microseconds(850)};
  EXPECT_EQ(verdict(facts, "speed"), Verdict::warn);
  facts.store->speed->page_latency = microseconds(100);
  EXPECT_EQ(verdict(facts, "speed"), Verdict::ok) << "as fast in order, much faster at random";
  facts.store->folder->device = facts.sources[0].folder->device;
  EXPECT_TRUE(tells(find(facts, "speed"), "the same disk"));
  facts.sources[0].speed.reset();
  EXPECT_EQ(verdict(facts, "speed"), Verdict::ok) << "not known is no trouble";
}

TEST(DoctorChecks, TheStoresFileSystemIsJudged) {
  MachineFacts facts = healthy();
  const auto of = [&](const char* type) {
    facts.store->folder->file_system = type;
    return verdict(facts, "store");
  };
  EXPECT_EQ(of("btrfs"), Verdict::ok);
  for (const char* type : {"nfs4", "9p", "fuse.sshfs", "cifs"}) EXPECT_EQ(of(type), Verdict::fail) << type;
  for (const char* type : {"tmpfs", "overlay", "exfat"}) EXPECT_EQ(of(type), Verdict::warn) << type;
}

TEST(DoctorChecks, AStoreThatIsNotThereIsToldApartFromAHungOne) {
  MachineFacts facts = healthy();
  facts.store->folder = FolderFacts{.errno_value = ENOENT};
  EXPECT_EQ(verdict(facts, "store"), Verdict::warn);
  facts.store->folder = FolderFacts{.errno_value = EIO};
  EXPECT_EQ(verdict(facts, "store"), Verdict::fail);
  facts.store->folder.reset();
  facts.patience = std::chrono::seconds(60);
  EXPECT_TRUE(tells(find(facts, "store"), "no answer within 1 m 00 s"));
}

TEST(DoctorChecks, SpaceIsCountedAgainstTheConfig) {
  MachineFacts facts = healthy();
  facts.store->folder->free_bytes = kGiB;
  EXPECT_TRUE(tells(find(facts, "space"), "are to stay free"));
  facts = healthy();
  facts.store->capacity_bytes = 999 * kGiB;
  EXPECT_TRUE(tells(find(facts, "space"), "more than the disk"));
  facts = healthy();
  facts.store->folder->free_files = 3;
  EXPECT_TRUE(tells(find(facts, "space"), "3 inodes left"));
  facts.store->folder->free_files.reset();
  EXPECT_EQ(verdict(facts, "space"), Verdict::ok) << "btrfs has no fixed number";
}

TEST(DoctorChecks, TheIndexTellsOfDamage) {
  MachineFacts facts = healthy();
  facts.daemon->checksum_errors = 1;
  EXPECT_TRUE(tells(find(facts, "index"), "1 damaged block and 0 failed calls"));
  facts.daemon.reset();
  facts.store->index_is_sound = false;
  EXPECT_EQ(verdict(facts, "index"), Verdict::warn);
  facts.store->index_is_sound.reset();
  EXPECT_EQ(verdict(facts, "index"), Verdict::ok) << "a store that is new has none";
}

TEST(DoctorChecks, TheDaemonIsToldWithItsOwnWarning) {
  MachineFacts facts = healthy();
  facts.daemon->warning = "programs hold too much";
  EXPECT_TRUE(tells(find(facts, "daemon"), "programs hold too much"));
  EXPECT_TRUE(tells(find(facts, "daemon"), "raise store.capacity"));
  facts.daemon->has_store = false;
  EXPECT_EQ(verdict(facts, "daemon"), Verdict::fail);
  EXPECT_TRUE(tells(find(facts, "daemon"), "store.path"));
  EXPECT_FALSE(tells(find(facts, "daemon"), "store.capacity")) << "more of what fails is no help";
  facts.daemon->version = "0.9";
  EXPECT_TRUE(tells(find(facts, "daemon"), "arenacache is 1.0"));
  facts = healthy();
  facts.daemon->mode = "use-only";
  EXPECT_TRUE(tells(find(facts, "daemon"), "mode active"));
  facts.daemon.reset();
  facts.why_no_daemon = "no daemon answers at /run/s";
  EXPECT_TRUE(tells(find(facts, "daemon"), "no daemon answers at /run/s"));
  EXPECT_EQ(verdict(facts, "daemon"), Verdict::warn) << "asked before the first start, nothing has failed";
  facts.is_daemon_silent = true;
  EXPECT_EQ(verdict(facts, "daemon"), Verdict::fail);
}

TEST(DoctorChecks, AMistakeInTheConfigFails) {
  MachineFacts facts = healthy();
  facts.config_mistake = "/etc/c.toml:3: cache.min_sise is not an option";
  EXPECT_EQ(verdict(facts, "config"), Verdict::fail);
  facts = healthy();
  facts.has_config = false;
  EXPECT_EQ(verdict(facts, "config"), Verdict::ok) << "the daemon has one";
  facts.daemon.reset();
  EXPECT_EQ(verdict(facts, "config"), Verdict::warn);
}

TEST(DoctorChecks, AMountIsAliveDeadStuckOrNotThere) {
  MachineFacts facts = healthy();
  facts.mounts[0].state = MountState::dead;
  EXPECT_TRUE(tells(find(facts, "mount"), "umount -l /models"));
  facts.mounts[0].state = MountState::stuck;
  EXPECT_TRUE(tells(find(facts, "mount"), "/sys/fs/fuse/connections/42/abort"));
  EXPECT_EQ(verdict(facts, "mount"), Verdict::fail);
  facts.mounts[0].state = MountState::absent;
  EXPECT_EQ(verdict(facts, "mount"), Verdict::fail);
  facts.daemon.reset();
  EXPECT_EQ(verdict(facts, "mount"), Verdict::warn);
}

TEST(DoctorChecks, LinksThatLeadOutComeWithTheLinesThatCacheThem) {
  MachineFacts facts = healthy();
  facts.sources[0].links_out = {{.path = "vae", .target = "/hdd/vae"}, {.path = "a.pt", .target = "/hdd/vae/a.pt"}};
  const Finding finding = find(facts, "links");
  EXPECT_EQ(finding.verdict, Verdict::warn);
  EXPECT_TRUE(finding.what.ends_with("vae -> /hdd/vae, a.pt -> /hdd/vae/a.pt")) << finding.what;
  EXPECT_EQ(finding.remedy, (std::vector<std::string>{"to cache it too, add to the config:", "[[mount]]",
                                                      "source = \"/hdd/vae\"", "mountpoint = \"/hdd/vae\""}));
}

TEST(DoctorChecks, ProgramsThatHoldMoreThanFitsAreNamed) {
  MachineFacts facts = healthy();
  facts.holders = {{.pid = 12, .program = "python3", .bytes = 250 * kGiB}};
  EXPECT_TRUE(tells(find(facts, "held"), "python3 (12): 250.0 GiB"));
  facts.holders[0].bytes = kGiB;
  EXPECT_EQ(verdict(facts, "held"), Verdict::ok);
  facts.daemon->held_open_bytes = 201 * kGiB;
  EXPECT_EQ(verdict(facts, "held"), Verdict::warn);
}

TEST(DoctorChecks, NamespacesThatSeeSomethingElseAreNamed) {
  MachineFacts facts = healthy();
  facts.namespaces = {{.pid = 5, .program = "comfyui", .mountpoint = "/data"},
                      {.pid = 6, .program = "ollama", .mountpoint = "/models", .sees_dead_mount = true}};
  const Finding finding = find(facts, "namespaces");
  EXPECT_EQ(finding.verdict, Verdict::warn);
  EXPECT_TRUE(tells(finding, "comfyui (5) sees the bare folder at /data"));
  EXPECT_TRUE(tells(finding, "ollama (6) sees a dead mount at /models"));
}

TEST(DoctorView, IsALineEachAndTheRemedyBelow) {
  EXPECT_EQ(doctor_view({{.check = "kernel", .what = "Linux 6.12"},
                         {.check = "mount", .verdict = Verdict::fail, .what = "/m\x1b: dead", .remedy = {"umount it"}}},
                        {}),
            "OK    kernel        Linux 6.12\n"
            "FAIL  mount         /m?: dead\n"
            "                    umount it\n");
}

}  // namespace
}  // namespace arenacache::cli
