// SPDX-License-Identifier: Apache-2.0
// What a running worker may do, and who may see what it has cached.
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "mount/model_folder.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

class SandboxTest : public ModelTest {
 protected:
  /// The word after "Name:" in /proc/PID/status.
  static std::string status_of(pid_t pid, const std::string& name) {
    std::ifstream lines("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name + ":")) return line.substr(line.find_first_not_of(" \t", name.size() + 1));
    }
    return "no such line";
  }

  static std::string config_of(const TestMount& mount, const std::string& cache_lines = {}) {
    return "[daemon]\nsocket = \"" + mount.socket() + "\"\n[store]\npath = \"" + mount.store() +
           "\"\ncapacity = \"1GiB\"\n[cache]\n" + cache_lines + "[[mount]]\nsource = \"" + mount.source() +
           "\"\nmountpoint = \"" + mount.mountpoint() + "\"\n";
  }

  static bool hears(const TestMount& mount, const std::string& words) {
    return TestMount::wait_for([&] { return mount.log().find(words) != std::string::npos; });
  }
};

TEST_F(SandboxTest, EveryThreadOfTheWorkerIsFilteredAndHasOnlyWhatItNeeds) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const pid_t worker = mount.worker();
  ASSERT_GT(worker, 0);
  std::size_t threads = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(worker) + "/task")) {
    const auto id = static_cast<pid_t>(std::stol(thread.path().filename().string()));
    EXPECT_EQ(status_of(id, "Seccomp"), "2") << id;
    EXPECT_EQ(status_of(id, "NoNewPrivs"), "1") << id;
    ++threads;
  }
  EXPECT_GT(threads, 4U);
  const std::uint64_t has = std::stoull(status_of(worker, "CapEff"), nullptr, 16);
  if (::geteuid() == 0) {
    EXPECT_NE(has & (std::uint64_t{1} << CAP_SYS_ADMIN), 0U) << "without it there is no passthrough";
  }
  for (const int gone : {CAP_NET_ADMIN, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_BOOT, CAP_SYS_TIME, CAP_KILL}) {
    EXPECT_EQ(has & (std::uint64_t{1} << gone), 0U) << gone;
  }
  EXPECT_EQ(mount.log().find("files are not confined") == std::string::npos,
            ::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U) >= 2);
}

TEST_F(SandboxTest, AFileOutsideCannotBeOpenedEvenWhereTheDaemonIsTold) {
  if (::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U) < 2) GTEST_SKIP() << "this kernel has no Landlock";
  TestMount mount;
  mount.use_config(config_of(mount), {});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  ASSERT_TRUE(hears(mount, " is served"));  // from then on the keeper hears SIGHUP
  // Its own folder's file may be read again, whatever replaced it; a symlink to somewhere else may not.
  const std::string config = mount.dir().path("config.toml");
  const std::string secret = mount.dir().path("elsewhere.toml");
  const std::string fresh = mount.dir().write_file("fresh.toml", config_of(mount, "min_size = \"8MiB\"\n"));
  ASSERT_EQ(::rename(fresh.c_str(), config.c_str()), 0);
  mount.daemon().signal(SIGHUP);
  EXPECT_TRUE(hears(mount, "the configuration was read again")) << mount.log();
  const TempDir outside;
  const std::string target = outside.write_file("secret.toml", config_of(mount));
  ASSERT_EQ(::symlink(target.c_str(), secret.c_str()), 0);
  ASSERT_EQ(::rename(secret.c_str(), config.c_str()), 0);
  mount.daemon().signal(SIGHUP);
  EXPECT_TRUE(hears(mount, "the configuration is not read again")) << mount.log();
  EXPECT_NE(mount.log().find("Permission denied"), std::string::npos) << mount.log();
}

TEST_F(SandboxTest, WhatIsInTheStoreIsForTheDaemonAlone) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  make_resident(mount, "model", add_model(mount, "model"));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(mount.store())) {
    struct stat status{};
    if (::lstat(entry.path().c_str(), &status) != 0) continue;  // SQLite's journal comes and goes
    EXPECT_EQ(status.st_mode & 07777, S_ISDIR(status.st_mode) ? 0700U : 0600U) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 5U);
  struct stat top{};
  ASSERT_EQ(::stat(mount.store().c_str(), &top), 0);
  EXPECT_EQ(top.st_mode & 07777, 0700U);
}

TEST_F(SandboxTest, AHitIsRefusedToWhomTheSourceRefusesIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  const std::string setfacl = find_program("setfacl");
  if (setfacl.empty()) GTEST_SKIP() << "there is no setfacl";
  TestMount mount;
  const Model for_root = add_model(mount, "for-root");
  const Model all_but_nobody = add_model(mount, "all-but-nobody");
  ASSERT_EQ(::mkdir(mount.from("closed").c_str(), 0700), 0);
  const Model in_closed = add_model(mount, "closed/model");
  ASSERT_EQ(::chmod(mount.from("for-root").c_str(), 0600), 0);
  ASSERT_EQ(run_program({setfacl, "-m", "u:65534:---", mount.from("all-but-nobody")}).exit_code, 0);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  make_resident(mount, "for-root", for_root);
  make_resident(mount, "all-but-nobody", all_but_nobody);
  make_resident(mount, "closed/model", in_closed);
  Place as_seen(mount.mountpoint());
  as_seen.as_user(kNobody, kNobody, {}, [&](Place& there) {
    for (const char* name : {"for-root", "all-but-nobody", "closed/model"}) {
      there.opened(name, ::open(there.at(name).c_str(), O_RDONLY | O_CLOEXEC));
    }
  });
  Place as_is(mount.source());
  as_is.as_user(kNobody, kNobody, {}, [&](Place& there) {
    for (const char* name : {"for-root", "all-but-nobody", "closed/model"}) {
      there.opened(name, ::open(there.at(name).c_str(), O_RDONLY | O_CLOEXEC));
    }
  });
  EXPECT_EQ(first_difference(as_seen.transcript(), as_is.transcript()), "");
  ASSERT_GE(as_seen.transcript().size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NE(as_seen.transcript()[i].find("EACCES"), std::string::npos) << as_seen.transcript()[i];
  }
}

TEST_F(SandboxTest, WhoChangesSomethingIsInTheLogAndWhoLooksIsNot) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_EQ(mount.cli({"mode", "use-only"}).exit_code, 0);
  EXPECT_EQ(mount.cli({"mode"}).exit_code, 0);
  EXPECT_EQ(mount.cli({"stats"}).exit_code, 0);
  const std::string words = "mode: asked for by user " + std::to_string(::getuid()) + ", process ";
  EXPECT_TRUE(hears(mount, words)) << mount.log();
  EXPECT_EQ(mount.log().find(words), mount.log().rfind(words)) << mount.log();
  EXPECT_EQ(mount.log().find("stats: asked"), std::string::npos);
}

}  // namespace
}  // namespace arenacache::test
