// SPDX-License-Identifier: Apache-2.0
// What the worker takes from itself, each tried in a child of the test, which is then thrown away.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "file_confinement.h"
#include "support/temp_dir.h"
#include "system_call_filter.h"
#include "worker_privileges.h"

namespace arenacache::daemon {
namespace {

using base::UniqueFd;

/// Runs in the child; every check that does not hold is told on stderr.
class Trial {
 public:
  void check(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s (errno %d)\n", what, errno);
    code_ = 1;
  }
  /// The call failed, with that errno.
  void check_refused(long result, int errno_value, const char* what) {
    check(result < 0 && errno == errno_value, what);
  }
  [[nodiscard]] int code() const { return code_; }

 private:
  int code_ = 0;
};

void run_in_child(const std::function<void(Trial&)>& deed) {
  const pid_t child = ::fork();
  if (child == 0) {
    Trial trial;
    deed(trial);
    ::_exit(trial.code());
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "see stderr; status " << status;
}

/// Effective and permitted capabilities of this thread.
struct Capabilities {
  std::uint64_t effective = 0;
  std::uint64_t permitted = 0;
};

Capabilities own_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> sets{};
  EXPECT_EQ(::syscall(SYS_capget, &header, sets.data()), 0);
  return {.effective = sets[0].effective | std::uint64_t{sets[1].effective} << 32U,
          .permitted = sets[0].permitted | std::uint64_t{sets[1].permitted} << 32U};
}

TEST(WorkerPrivileges, TheRestIsGoneForGood) {
  run_in_child([](Trial& trial) {
    const Capabilities before = own_capabilities();
    trial.check(drop_privileges().has_value(), "drop_privileges");
    trial.check(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no_new_privs");
    const Capabilities after = own_capabilities();
    trial.check((after.permitted & ~kept_capabilities()) == 0, "permitted");
    trial.check(after.effective == (before.effective & kept_capabilities()), "it keeps what it needs");
    trial.check(::prctl(PR_CAPBSET_READ, CAP_SYS_MODULE, 0, 0, 0) != 1 || ::geteuid() != 0, "bounding set");
  });
  EXPECT_EQ(kept_capabilities() & (1U << CAP_NET_ADMIN | 1U << CAP_SYS_MODULE | 1U << CAP_SYS_RAWIO), 0U);
}

TEST(SystemCallFilter, RefusesWhatAFileServerNeverAsksFor) {
  run_in_child([](Trial& trial) {
    trial.check(drop_privileges().has_value(), "drop_privileges");
    trial.check(filter_system_calls().has_value(), "filter_system_calls");
    trial.check_refused(::mount("none", "/nowhere", "tmpfs", 0, nullptr), EPERM, "mount");
    trial.check_refused(::umount2("/nowhere", MNT_DETACH), EPERM, "umount2");
    trial.check_refused(::unshare(CLONE_NEWNS), EPERM, "unshare(CLONE_NEWNS)");
    trial.check_refused(::syscall(SYS_setns, -1, 0), EPERM, "setns");
    trial.check_refused(::chroot("/"), EPERM, "chroot");
    trial.check_refused(::syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM, "keyctl");
    trial.check_refused(::syscall(SYS_bpf, 0, nullptr, 0), EPERM, "bpf");
    trial.check_refused(::syscall(SYS_finit_module, -1, "", 0), EPERM, "finit_module");
    trial.check_refused(::syscall(SYS_io_uring_setup, 1, nullptr), EPERM, "io_uring_setup");
    trial.check_refused(::syscall(SYS_process_vm_readv, ::getppid(), nullptr, 0, nullptr, 0, 0), EPERM,
                        "process_vm_readv");
    trial.check_refused(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM, "clone(CLONE_NEWUSER)");
    trial.check(::unshare(CLONE_FS) == 0, "a thread may have a umask of its own");
  });
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(SystemCallFilter, NothingCanBeStarted) {
  run_in_child([](Trial& trial) {
    trial.check(drop_privileges().has_value() && filter_system_calls().has_value(), "filter");
    trial.check_refused(::execl("/bin/true", "/bin/true", nullptr), EPERM, "execve");
  });
}
#endif

TEST(SystemCallFilter, HoldsForThreadsThatAreThereAlreadyAndForNewOnes) {
  run_in_child([](Trial& trial) {
    std::atomic<bool> is_filtered = false;
    int before = 0;
    std::thread old([&] {
      is_filtered.wait(false);
      before = ::chroot("/") != 0 ? errno : 0;
    });
    trial.check(drop_privileges().has_value() && filter_system_calls().has_value(), "filter");
    is_filtered = true;
    is_filtered.notify_all();
    old.join();
    trial.check(before == EPERM, "a thread that was there");
    int fresh = 0;
    std::thread([&] { fresh = ::chroot("/") != 0 ? errno : 0; }).join();
    trial.check(fresh == EPERM, "a new thread");
  });
}

class FileConfinementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U) < 2) GTEST_SKIP() << "this kernel has no Landlock";
    dir_.make_dir("source/a");
    dir_.make_dir("source/b");
    dir_.make_dir("store");
    dir_.make_dir("run");
    dir_.write_file("source/a/model", "weights");
    dir_.write_file("secret", "canary");
    dir_.write_file("config/config.toml", "x = 1");
  }

  /// Confined to source, store, run and config, does `deed`.
  void run_confined(const std::function<void(Trial&)>& deed) {
    run_in_child([&](Trial& trial) {
      const UniqueFd source(::open(dir_.path("source").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      trial.check(drop_privileges().has_value(), "drop_privileges");
      const auto confined = confine_files({.served = {source.get()},
                                           .owned = {dir_.path("store")},
                                           .socket_folders = {dir_.path("run")},
                                           .readable = {dir_.path("config"), dir_.path("not there")},
                                           .writable = {"/dev/null"}});
      trial.check(confined.has_value(), "confine_files");
      deed(trial);
    });
  }

  [[nodiscard]] int open(const std::string& name, int flags) const {
    const UniqueFd fd(::open(dir_.path(name).c_str(), flags | O_CLOEXEC, 0600));
    return fd.is_open() ? 0 : -1;
  }

  test::TempDir dir_;
};

TEST_F(FileConfinementTest, WhatIsServedCanBeReadWrittenMadeMovedAndRemoved) {
  run_confined([&](Trial& trial) {
    trial.check(open("source/a/model", O_RDWR) == 0, "open");
    trial.check(::truncate(dir_.path("source/a/model").c_str(), 3) == 0, "truncate");
    trial.check(open("source/new", O_WRONLY | O_CREAT) == 0, "create");
    trial.check(::rename(dir_.path("source/a/model").c_str(), dir_.path("source/b/model").c_str()) == 0,
                "rename between folders");
    trial.check(::link(dir_.path("source/b/model").c_str(), dir_.path("source/a/two").c_str()) == 0, "link");
    trial.check(::symlink("/etc", dir_.path("source/link").c_str()) == 0, "symlink");
    trial.check(::mkfifo(dir_.path("source/fifo").c_str(), 0600) == 0, "mkfifo");
    trial.check(::mkdir(dir_.path("source/c").c_str(), 0700) == 0, "mkdir");
    trial.check(::rmdir(dir_.path("source/c").c_str()) == 0, "rmdir");
    trial.check(::unlink(dir_.path("source/b/model").c_str()) == 0, "unlink");
    trial.check(open("store/.", O_TMPFILE | O_RDWR) == 0, "a nameless file in the store");
  });
}

TEST_F(FileConfinementTest, NothingElseCanBeTouched) {
  run_confined([&](Trial& trial) {
    trial.check_refused(open("secret", O_RDONLY), EACCES, "read outside");
    trial.check_refused(open("new", O_WRONLY | O_CREAT), EACCES, "create outside");
    trial.check_refused(::unlink(dir_.path("secret").c_str()), EACCES, "unlink outside");
    trial.check_refused(::rename(dir_.path("source/a/model").c_str(), dir_.path("stolen").c_str()), EACCES,
                        "rename out");
    trial.check(::symlink(dir_.path("secret").c_str(), dir_.path("source/way").c_str()) == 0, "symlink");
    trial.check_refused(open("source/way", O_RDONLY), EACCES, "by a symlink");
    trial.check_refused(open("config/config.toml", O_RDWR), EACCES, "write what is for reading");
    trial.check_refused(open("run/file", O_WRONLY | O_CREAT), EACCES, "a file where sockets are");
    trial.check_refused(::mkdir(dir_.path("run/folder").c_str(), 0700), EACCES, "a folder where sockets are");
  });
  EXPECT_EQ(dir_.read_file("secret"), "canary");
}

TEST_F(FileConfinementTest, WhatIsForReadingCanBeRead) {
  run_confined([&](Trial& trial) {
    trial.check(open("config/config.toml", O_RDONLY) == 0, "the config");
    trial.check(UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)).is_open(), "/dev/null");
  });
}

TEST_F(FileConfinementTest, TheWorkersRulesMakeTheFoldersThatAreMissing) {
  config::Config config;
  config.store.path = dir_.path("ssd/deep/store");
  config.tiers = {{.name = "hdd", .path = dir_.path("hdd/packed")}, {.name = "none", .path = "/proc/none"}};
  config.daemon.socket = dir_.path("var/run/socket");
  config.file = dir_.path("config/config.toml");
  const auto rules = worker_rules(config, {});
  ASSERT_TRUE(rules.has_value()) << rules.error().what;
  struct stat status{};
  ASSERT_EQ(::stat(config.store.path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  ASSERT_EQ(::stat(config.tiers[0].path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  EXPECT_EQ(::access(dir_.path("var/run").c_str(), F_OK), 0);
  EXPECT_EQ(rules->owned, (std::vector<std::string>{config.store.path, config.tiers[0].path}));
  EXPECT_NE(std::ranges::find(rules->readable, dir_.path("config")), rules->readable.end());
}

}  // namespace
}  // namespace arenacache::daemon
