// SPDX-License-Identifier: Apache-2.0
// A daemon that can be killed under its programs: the worker dies, another one goes on, and nobody notices.
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/busy_programs.h"
#include "mount/model_folder.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;

constexpr bool kIsSanitized = ARENACACHE_IS_SANITIZED;

bool is_long() { return std::getenv("ARENACACHE_TEST_LONG") != nullptr; }  // NOLINT(concurrency-mt-unsafe)

class HandoverTest : public ModelTest {
 protected:
  /// Crashes are what these tests make, so they are not counted.
  static MountOptions options(std::map<std::string, std::string> flags = {}) {
    flags.try_emplace("--daemon-crash-window", "0s");
    return {.flags = std::move(flags), .watchdog = std::chrono::seconds(is_long() ? 290 : 220)};
  }

  static pid_t worker_of(const TestMount& mount) {
    pid_t worker = -1;
    EXPECT_TRUE(TestMount::wait_for([&] {
      worker = mount.client().pid();
      return worker > 0;
    })) << mount.log();
    return worker;
  }

  /// Kills the worker at once, without a word; returns its pid.
  static pid_t kill_worker(const TestMount& mount) {
    const pid_t worker = worker_of(mount);
    EXPECT_TRUE(worker > 0 && ::kill(worker, SIGKILL) == 0);
    return worker;
  }

  /// Waits until another worker than `before` answers.
  static ::testing::AssertionResult is_back(const TestMount& mount, pid_t before) {
    const bool is_there = TestMount::wait_for([&] {
      const pid_t now = mount.client().pid();
      return now > 0 && now != before;
    });
    return is_there ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << mount.log();
  }

  static void kill_and_wait(const TestMount& mount) { ASSERT_TRUE(is_back(mount, kill_worker(mount))); }
};

TEST_F(HandoverTest, WhatIsOpenStaysOpen) {
  TestMount mount(options());
  const Model stored = add_model(mount, "stored", kModelSize, Pattern{1});
  const Model other = add_model(mount, "other", kModelSize, Pattern{2});
  make_entries((::mkdir(mount.from("folder").c_str(), 0755), mount.from("folder")), 3000);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  make_resident(mount, "stored", stored);
  const UniqueFd hit(::open(stored.path.c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd miss(::open(other.path.c_str(), O_RDONLY | O_CLOEXEC));
  void* const mapping = ::mmap(nullptr, other.size, PROT_READ, MAP_PRIVATE, miss.get(), 0);
  ASSERT_NE(mapping, MAP_FAILED);
  const UniqueFd writer(::open(mount.at("written").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::write(writer.get(), "before ", 7), 7);
  const UniqueFd locked(::open(mount.at("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::flock(locked.get(), LOCK_EX), 0);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(mount.at("folder").c_str()), &::closedir);
  ASSERT_TRUE(stream);
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i) names.insert(::readdir(stream.get())->d_name);  // NOLINT(concurrency-mt-unsafe)
  ASSERT_TRUE(range_is(miss.get(), 0, kMiB, other.pattern));

  kill_and_wait(mount);

  EXPECT_TRUE(range_is(hit.get(), 0, stored.size, stored.pattern));
  EXPECT_TRUE(range_is(miss.get(), 0, other.size, other.pattern));
  EXPECT_TRUE(bytes_are({static_cast<const std::byte*>(mapping), other.size}, 0, other.pattern));
  ::munmap(mapping, other.size);
  EXPECT_EQ(::write(writer.get(), "after", 5), 5);
  EXPECT_EQ(::fsync(writer.get()), 0);
  EXPECT_EQ(content_of(mount.from("written")), "before after");
  const UniqueFd second(::open(mount.at("lock").c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(::flock(second.get(), LOCK_EX | LOCK_NB), -1) << "the lock is held";
  EXPECT_EQ(errno, EWOULDBLOCK);
  while (const dirent* entry = ::readdir(stream.get())) names.insert(entry->d_name);  // NOLINT(concurrency-mt-unsafe)
  EXPECT_EQ(names.size(), 3002U);
  const UniqueFd again(::open(stored.path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(range_is(again.get(), 0, stored.size, stored.pattern)) << "beside the one from before";
}

TEST_F(HandoverTest, DeletedFilesThatAreOpenStayReadableAndWritable) {
  TestMount mount(options());
  const Model model = add_model(mount, "model", kModelSize, Pattern{3});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const UniqueFd reader(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd writer(::open(mount.at("scratch").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  const UniqueFd replaced((put_content(mount.at("old"), "old"), ::open(mount.at("old").c_str(), O_RDONLY | O_CLOEXEC)));
  ASSERT_EQ(::write(writer.get(), "one", 3), 3);
  ASSERT_EQ(::unlink(model.path.c_str()), 0);
  ASSERT_EQ(::unlink(mount.at("scratch").c_str()), 0);
  put_content(mount.at("new"), "new");
  ASSERT_EQ(::rename(mount.at("new").c_str(), mount.at("old").c_str()), 0);
  for (int life = 0; life < 3; ++life) {
    ASSERT_NO_FATAL_FAILURE(kill_and_wait(mount));
    drop_pages(text("/proc/self/fd/", reader.get()));
    ASSERT_EQ(::posix_fadvise(reader.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    EXPECT_TRUE(range_is(reader.get(), 0, model.size, model.pattern));
    const std::string line = text(" life ", life);
    EXPECT_EQ(::write(writer.get(), line.data(), line.size()), std::ssize(line));
    struct stat status{};
    EXPECT_EQ(::fstat(writer.get(), &status), 0);
    EXPECT_EQ(status.st_size, 3 + 7 * (life + 1));
    std::array<char, 3> bytes{};
    EXPECT_EQ(::pread(replaced.get(), bytes.data(), bytes.size(), 0), 3);
    EXPECT_EQ(std::string(bytes.data(), bytes.size()), "old");
  }
}

TEST_F(HandoverTest, AFileIsHashedOverKills) {
  const std::uint64_t size = is_long() ? 2048 * kMiB : kIsSanitized ? 32 * kMiB : 256 * kMiB;
  TestMount mount(options({{"--fuse-passthrough", "off"}, {"--cache-mode", "off"}}));
  const Model model = add_model(mount, "model", size, Pattern{5});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  BusyPrograms programs;
  std::atomic<int> kills{0};
  std::atomic<bool> is_done{false};
  std::thread killer([&] {
    while (!is_done.load() && kills.load() < 10) {
      ASSERT_NO_FATAL_FAILURE(kill_and_wait(mount));
      ++kills;
    }
  });
  do {
    const UniqueFd file(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(range_is(file.get(), 0, model.size, model.pattern, 128 << 10));
    ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  } while (kills.load() < (kIsSanitized ? 3 : 10) && !::testing::Test::HasFailure());
  is_done = true;
  killer.join();
}

TEST_F(HandoverTest, HundredsOfKillsUnderLoad) {
  const int kills = is_long() ? 2000 : kIsSanitized ? 20 : 80;
  TestMount mount(options());
  const Model stored = add_model(mount, "stored", kModelSize, Pattern{1});
  const Model model = add_model(mount, "model", kModelSize, Pattern{2});
  for (const char* name : {"names", "more names", "folder"}) ASSERT_EQ(::mkdir(mount.from(name).c_str(), 0755), 0);
  make_entries(mount.from("folder"), 500);
  put_content(mount.from("small"), "a small file");
  ASSERT_NO_FATAL_FAILURE(mount.start());
  make_resident(mount, "stored", stored);
  BusyPrograms programs;
  programs.add(changes_names(mount.at("names")));
  programs.add(changes_names(mount.at("more names")));
  programs.add(appends(mount.at("log")));
  programs.add(opens(mount.at("small"), "a small file"));
  programs.add(lists(mount.at("folder"), 500));
  programs.add(rewrites(mount.at("rewritten")));
  for (const Model& one : {stored, model}) {
    programs.add([one](std::uint64_t) {
      const UniqueFd file(::open(one.path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!file.is_open()) return said("open", -1);
      ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
      const auto result = range_is(file.get(), 4 * kMiB, kMiB, one.pattern, 64 << 10);
      return result ? std::string() : std::string(result.message());
    });
  }
  std::chrono::milliseconds longest{0};
  for (int i = 0; i < kills && !programs.has_failed(); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_NO_FATAL_FAILURE(kill_and_wait(mount));
    longest = std::max(longest, std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin));
    // Each life does something before it is ended; how much differs.
    const std::uint64_t rounds = programs.rounds() + static_cast<std::uint64_t>(i % 4);
    EXPECT_TRUE(TestMount::wait_for([&] { return programs.rounds() >= rounds || programs.has_failed(); }));
  }
  EXPECT_TRUE(programs.stop()) << mount.log().substr(mount.log().size() > 4000 ? mount.log().size() - 4000 : 0);
  EXPECT_TRUE(is_counted(mount.from("log")));
  RecordProperty("longest_ms", static_cast<int>(longest.count()));
  std::printf("%d kills, %llu rounds, the longest was %lld ms\n", kills,
              static_cast<unsigned long long>(programs.rounds()), static_cast<long long>(longest.count()));
  drop_pages(stored.path);
  EXPECT_TRUE(file_is(stored.path, stored.size, stored.pattern));
  EXPECT_TRUE(file_is(model.path, model.size, model.pattern));
  EXPECT_EQ(first_difference(snapshot(mount.mountpoint()), snapshot(mount.source())), "");
}

TEST_F(HandoverTest, AContainerAndABindMountGoOnToo) {
  TestMount mount(options());
  const Model model = add_model(mount, "model");
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const std::string bound = mount.dir().make_dir("bound");
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_EQ(::mount(mount.mountpoint().c_str(), bound.c_str(), nullptr, MS_BIND, nullptr), 0);
  std::array<int, 2> go{};
  ASSERT_EQ(::pipe2(go.data(), O_CLOEXEC), 0);
  const pid_t container = ::fork();
  if (container == 0) {
    char word = 0;
    const bool is_apart =
        ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0;
    const bool is_right = is_apart && ::read(go[0], &word, 1) == 1 && file_is(model.path, model.size, model.pattern);
    ::_exit(is_right ? 0 : 1);
  }
  kill_and_wait(mount);
  EXPECT_EQ(::write(go[1], "g", 1), 1);
  int status = -1;
  EXPECT_EQ(::waitpid(container, &status, 0), container);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(file_is(bound + "/model", model.size, model.pattern));
  EXPECT_EQ(::umount2(bound.c_str(), 0), 0);
  for (const int end : go) ::close(end);
}

TEST_F(HandoverTest, RestartIsSeenByNobody) {
  TestMount mount(options());
  put_content(mount.from("small"), "a small file");
  ASSERT_EQ(::mkdir(mount.from("names").c_str(), 0755), 0);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  BusyPrograms programs;
  programs.add(changes_names(mount.at("names")));
  programs.add(opens(mount.at("small"), "a small file"));
  programs.add(appends(mount.at("log")));
  for (int i = 0; i < 3; ++i) {
    const pid_t before = worker_of(mount);
    const Finished finished = mount.cli({"restart"});
    EXPECT_EQ(finished.exit_code, 0) << finished.output << mount.log();
    EXPECT_NE(worker_of(mount), before);
  }
  EXPECT_TRUE(programs.stop()) << mount.log();
  EXPECT_TRUE(is_counted(mount.from("log")));
}

TEST_F(HandoverTest, ARestartThatCannotSucceedIsRefusedWhileTheOldGoesOn) {
  TestMount mount(options());
  put_content(mount.from("small"), "a small file");
  const auto configured = [&](const std::string& more) {
    return text("[daemon]\nsocket = \"", mount.socket(), "\"\n[store]\npath = \"", mount.store(),
                "\"\ncapacity = \"1GiB\"\nkeep_free = \"64MiB\"\n", more, "[[mount]]\nname = \"models\"\nsource = \"",
                mount.source(), "\"\nmountpoint = \"", mount.mountpoint(), "\"\n");
  };
  mount.use_config(configured(""), {});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const pid_t before = worker_of(mount);
  mount.use_config(configured("[cache]\nmin_size = \"much\"\n"), {});
  const Finished refused = mount.cli({"restart"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.output.find("min_size"), std::string::npos) << refused.output;
  EXPECT_EQ(worker_of(mount), before);
  EXPECT_EQ(content_of(mount.at("small")), "a small file");
  mount.use_config(configured(""), {});
}

TEST_F(HandoverTest, ARequestThatIsThereAtTwoCrashesIsGivenUp) {
  TestMount mount;
  put_content(mount.from("held"), "held");
  put_content(mount.from("small"), "a small file");
  ASSERT_NO_FATAL_FAILURE(mount.start());
  ASSERT_EQ(::access(mount.at("held").c_str(), R_OK), 0);
  // Who has a lease on a file keeps whoever wants to write it waiting.
  ::signal(SIGIO, SIG_IGN);
  const UniqueFd lease(::open(mount.from("held").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::fcntl(lease.get(), F_SETLEASE, F_WRLCK), 0) << std::strerror(errno);
  const std::uint64_t before = mount.stats().requests;
  std::string answer;
  std::thread program([&] { answer = said("open", ::open(mount.at("held").c_str(), O_WRONLY | O_CLOEXEC)); });
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.stats().requests > before; }));
  for (int crash = 1; crash <= 2; ++crash) kill_and_wait(mount);
  program.join();
  EXPECT_EQ(answer, "open: EIO");
  EXPECT_NE(mount.log().find("was being worked on at two crashes"), std::string::npos);
  EXPECT_EQ(content_of(mount.at("small")), "a small file");
}

TEST_F(HandoverTest, TooManyCrashesGiveThePlainFolderBack) {
  TestMount mount({.flags = {{"--daemon-crash-window", "60s"}}, .over_source = true});
  put_content(mount.from("small"), "a small file");
  ASSERT_NO_FATAL_FAILURE(mount.start());
  for (int crash = 1; crash <= 4; ++crash) {
    ASSERT_NO_FATAL_FAILURE(kill_and_wait(mount));
    EXPECT_EQ(mount.stats().mode, crash >= 3 ? "off" : "active") << crash;
  }
  kill_worker(mount);
  const auto exit_code = mount.daemon().wait(std::chrono::seconds(30));
  ASSERT_TRUE(exit_code.has_value()) << mount.log();
  EXPECT_EQ(*exit_code, 1);
  EXPECT_FALSE(mount.is_mounted());
  EXPECT_EQ(content_of(mount.from("small")), "a small file");
  mount.forget_ended();
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_EQ(content_of(mount.at("small")), "a small file") << "its store is usable again";
}

}  // namespace
}  // namespace arenacache::test
