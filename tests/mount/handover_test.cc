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
#include <functional>
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
#include "mount/worker_life.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;

constexpr bool kIsSanitized = ARENACACHE_IS_SANITIZED;
constexpr int kNames = kIsSanitized ? 3000 : 100'000;

bool is_long() { return std::getenv("ARENACACHE_TEST_LONG") != nullptr; }  // NOLINT(concurrency-mt-unsafe)

class HandoverTest : public ModelTest {
 protected:
  /// Crashes are what these tests make, so they are not counted.
  static MountOptions options(std::map<std::string, std::string> flags = {}) {
    flags.try_emplace("--daemon-crash-window", "0s");
    return {.flags = std::move(flags), .watchdog = std::chrono::seconds(is_long() ? 290 : 220)};
  }

  static void kill_and_wait(const TestMount& mount) { ASSERT_TRUE(is_back(mount, kill_worker(mount))); }
};

TEST_F(HandoverTest, WhatIsOpenStaysOpen) {
  TestMount mount(options());
  const Model stored = add_model(mount, "stored", kModelSize, Pattern{1});
  const Model other = add_model(mount, "other", kModelSize, Pattern{2});
  make_entries((::mkdir(mount.from("folder").c_str(), 0755), mount.from("folder")), kNames);
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
  struct flock range{.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10, .l_pid = 0};
  ASSERT_EQ(::fcntl(locked.get(), F_OFD_SETLK, &range), 0);
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
  range = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 1, .l_pid = 0};
  EXPECT_EQ(::fcntl(second.get(), F_OFD_GETLK, &range), 0);
  EXPECT_EQ(range.l_type, F_WRLCK) << "so is the one on a range";
  while (const dirent* entry = ::readdir(stream.get())) names.insert(entry->d_name);  // NOLINT(concurrency-mt-unsafe)
  EXPECT_EQ(names.size(), kNames + 2U);
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

TEST_F(HandoverTest, WhatTheKernelReadsOfTheStoreIsCountedByEachWorker) {
  TestMount mount(options());
  const Model model = add_model(mount, "model");
  ASSERT_NO_FATAL_FAILURE(mount.start());
  if (!mount.stats().has_passthrough) GTEST_SKIP() << "no passthrough here: " << mount.stats().no_passthrough_reason;
  make_resident(mount, "model", model);
  UniqueFd reader(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(mount.cli({"evict", model.path}).exit_code, 0);
  for (int life = 0; life < 3; ++life) {
    EXPECT_GE(mount.stats().doomed_bytes, model.size) << life;
    EXPECT_GE(mount.stats().used_bytes, model.size) << life;
    ASSERT_NO_FATAL_FAILURE(kill_and_wait(mount));
  }
  EXPECT_TRUE(range_is(reader.get(), 0, model.size, model.pattern));
  reader.reset();
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.stats().doomed_bytes == 0; })) << mount.stats().text;
}

TEST_F(HandoverTest, WhatWasWrittenBeforeAKillIsSeenByWhoHasItOpen) {
  TestMount mount(options({{"--fuse-passthrough", "off"}}));
  const Model model = add_model(mount, "model", kModelSize, Pattern{1});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const UniqueFd reader(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(range_is(reader.get(), 0, model.size, model.pattern));
  {
    const UniqueFd writer(::open(model.path.c_str(), O_RDWR | O_CLOEXEC));
    const auto bytes = pattern_bytes(5 * kMiB, kMiB, Pattern{2});
    ASSERT_EQ(::pwrite(writer.get(), bytes.data(), bytes.size(), 5 * kMiB), std::ssize(bytes));
  }
  for (int life = 0; life < 2; ++life) {
    kill_and_wait(mount);
    ASSERT_EQ(::posix_fadvise(reader.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    EXPECT_TRUE(range_is(reader.get(), 0, 5 * kMiB, model.pattern));
    EXPECT_TRUE(range_is(reader.get(), 5 * kMiB, kMiB, Pattern{2}));
  }
  ASSERT_EQ(::truncate(model.path.c_str(), 3 * kMiB), 0);
  kill_and_wait(mount);
  std::byte beyond{};
  EXPECT_EQ(::pread(reader.get(), &beyond, 1, 3 * kMiB), 0);
  EXPECT_TRUE(range_is(reader.get(), 0, 3 * kMiB, model.pattern));
}

TEST_F(HandoverTest, AFileThatBecameResidentWhileItWasOpenIsKeptByTheStoreAndItsReader) {
  TestMount mount(options());
  const Model model = add_model(mount, "model", kModelSize, Pattern{1});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  if (!mount.stats().has_passthrough) GTEST_SKIP() << mount.stats().no_passthrough_reason;
  const UniqueFd served(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "model", model));
  const UniqueFd backed(
      ::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));  // by a node of its own, which has the name now
  kill_and_wait(mount);
  const std::uint64_t origin_bytes = origin_bytes_of(mount, [&] {
    for (const UniqueFd* file : {&served, &backed}) {
      ::posix_fadvise(file->get(), 0, 0, POSIX_FADV_DONTNEED);
      EXPECT_TRUE(range_is(file->get(), 0, model.size, model.pattern));
    }
  });
  EXPECT_EQ(origin_bytes, 0U);
  const auto object = mount.object("model");
  EXPECT_TRUE(object && object->state == "resident") << mount.stats().text;
}

TEST_F(HandoverTest, AFileIsHashedOverKills) {
  const std::uint64_t size = is_long() ? 2048 * kMiB : kIsSanitized ? 32 * kMiB : 256 * kMiB;
  TestMount mount(options({{"--fuse-passthrough", "off"}, {"--capacity", "3GiB"}}));
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
  const int kills = is_long() ? 2000 : kIsSanitized ? 20 : 300;
  TestMount mount(options());
  const Model stored = add_model(mount, "stored", kModelSize, Pattern{1});
  const Model model = add_model(mount, "model", kModelSize, Pattern{2});
  for (const char* name : {"names", "more names", "folder"}) ASSERT_EQ(::mkdir(mount.from(name).c_str(), 0755), 0);
  make_entries(mount.from("folder"), 500);
  put_content(mount.from("small"), "a small file");
  put_content(mount.from("moved"), "a file that is moved");
  ASSERT_NO_FATAL_FAILURE(mount.start());
  make_resident(mount, "stored", stored);
  BusyPrograms programs;
  programs.add(changes_names(mount.at("names")));
  programs.add(changes_names(mount.at("more names")));
  programs.add(appends(mount.at("log")));
  programs.add(opens(mount.at("small"), "a small file"));
  programs.add(lists(mount.at("folder"), 500));
  programs.add(rewrites(mount.at("rewritten")));
  programs.add(reads_on(mount.at("moved"), "a file that is moved"));
  programs.add(moves(mount.at("moved"), mount.at("names/moved")));
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
  int slow = 0;
  for (int i = 0; i < kills && !programs.has_failed(); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_NO_FATAL_FAILURE(kill_and_wait(mount));
    const auto took = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    longest = std::max(longest, took);
    slow += took > std::chrono::seconds(2) ? 1 : 0;
    // Each life does something before it is ended; how much differs.
    const std::uint64_t rounds = programs.rounds() + static_cast<std::uint64_t>(i % 4);
    EXPECT_TRUE(TestMount::wait_for([&] { return programs.rounds() >= rounds || programs.has_failed(); }));
  }
  EXPECT_TRUE(programs.stop()) << mount.log().substr(mount.log().size() > 4000 ? mount.log().size() - 4000 : 0);
  EXPECT_TRUE(is_counted(mount.from("log")));
  if (!kIsSanitized) {
    EXPECT_LE(slow, kills / 50) << "a busy machine may stop one now and then";
  }
  std::printf("%d kills, %llu rounds, the longest was %lld ms\n", kills,
              static_cast<unsigned long long>(programs.rounds()), static_cast<long long>(longest.count()));
  drop_pages(stored.path);
  EXPECT_TRUE(file_is(stored.path, stored.size, stored.pattern));
  EXPECT_TRUE(file_is(model.path, model.size, model.pattern));
  EXPECT_EQ(first_difference(snapshot(mount.mountpoint()), snapshot(mount.source())), "");
}

/// Faults all pages of `file` in, again and again, while the worker is killed under it.
void expect_mapping_survives(const Model& model, const std::function<void()>& kill_some) {
  const UniqueFd file(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  void* const mapping = ::mmap(nullptr, model.size, PROT_READ, MAP_SHARED, file.get(), 0);
  ASSERT_NE(mapping, MAP_FAILED);
  std::atomic<bool> is_done{false};
  std::thread reader([&] {
    do {
      EXPECT_TRUE(bytes_are({static_cast<const std::byte*>(mapping), model.size}, 0, model.pattern));
      ::madvise(mapping, model.size, MADV_DONTNEED);
      ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
    } while (!is_done.load() && !::testing::Test::HasFailure());
  });
  kill_some();
  is_done = true;
  reader.join();
  ::munmap(mapping, model.size);
}

TEST_F(HandoverTest, MappingsAreFaultedInOverKills) {
  TestMount mount(options());
  const Model stored = add_model(mount, "stored", kModelSize, Pattern{1});
  const Model model = add_model(mount, "model", kModelSize, Pattern{2});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  make_resident(mount, "stored", stored);
  for (const Model& one : {stored, model}) {
    expect_mapping_survives(one, [&] {
      for (int kill = 0; kill < 5; ++kill) kill_and_wait(mount);
    });
  }
}

TEST_F(HandoverTest, LargeWritesAreInFlight) {
  TestMount mount(options());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const UniqueFd file(::open(mount.at("written").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  constexpr std::uint64_t kMost = 512;
  std::atomic<bool> is_done{false};
  std::uint64_t blocks = 0;
  std::thread writer([&] {
    for (; !is_done.load(); ++blocks) {
      const std::uint64_t offset = blocks % kMost * kMiB;
      const auto bytes = pattern_bytes(offset, kMiB, Pattern{7});
      ASSERT_EQ(::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)), std::ssize(bytes));
    }
  });
  for (int kill = 0; kill < (kIsSanitized ? 4 : 20); ++kill) kill_and_wait(mount);
  is_done = true;
  writer.join();
  EXPECT_TRUE(file_is(mount.from("written"), std::min(blocks, kMost) * kMiB, Pattern{7}));
}

/// Makes, renames and unlinks `count` files, counted in `done`; what a call says that it should not.
std::string changes_files(const std::string& folder, int count, std::atomic<int>& done) {
  for (int i = 0; i < count; ++i) {
    const std::string name = text(folder, "/file-", i), other = text(folder, "/other-", i);
    const UniqueFd file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file.is_open()) return said("create", -1) + " " + name;
    if (::rename(name.c_str(), other.c_str()) != 0) return said("rename", -1) + " " + name;
    if (::unlink(other.c_str()) != 0) return said("unlink", -1) + " " + other;
    ++done;
  }
  return {};
}

TEST_F(HandoverTest, ManyFilesComeAndGoOverKills) {
  constexpr int kThreads = 4;
  constexpr int kFilesOfALife = 100;
  const int files = is_long() ? 100'000 : kIsSanitized ? 800 : 10'000;
  TestMount mount(options());
  for (int i = 0; i < kThreads; ++i) ASSERT_EQ(::mkdir(mount.from(std::to_string(i)).c_str(), 0755), 0);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  std::atomic<int> running{kThreads};
  std::atomic<int> done{0};
  std::vector<std::thread> programs;
  programs.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    programs.emplace_back([&, i] {
      EXPECT_EQ(changes_files(mount.at(std::to_string(i)), files / kThreads, done), "");
      --running;
    });
  }
  int kills = 0;
  for (; running.load() > 0; ++kills) {
    kill_and_wait(mount);
    const int before = done.load();
    EXPECT_TRUE(TestMount::wait_for([&] { return done.load() >= before + kFilesOfALife || running.load() == 0; }));
  }
  for (std::thread& program : programs) program.join();
  std::printf("%d files, %d kills\n", files, kills);
  for (int i = 0; i < kThreads; ++i) EXPECT_EQ(::rmdir(mount.at(std::to_string(i)).c_str()), 0) << "nothing is left";
}

TEST_F(HandoverTest, AContainerAndABindMountGoOnToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  TestMount mount(options());
  const Model model = add_model(mount, "model");
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const std::string bound = mount.dir().make_dir("bound");
  ASSERT_EQ(::mount(mount.mountpoint().c_str(), bound.c_str(), nullptr, MS_BIND, nullptr), 0);
  std::array<int, 2> go{};
  std::array<int, 2> said{};
  ASSERT_EQ(::pipe2(go.data(), O_CLOEXEC | O_NONBLOCK), 0);
  ASSERT_EQ(::pipe2(said.data(), O_CLOEXEC), 0);
  const pid_t container = ::fork();
  if (container == 0) {
    char word = 0;
    const bool is_apart =
        ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0;
    const int file = ::open(model.path.c_str(), O_RDONLY | O_CLOEXEC);
    bool is_right = is_apart && file >= 0 && ::write(said[1], "r", 1) == 1;
    // Reads on and on while the worker dies under it.
    while (is_right && ::read(go[0], &word, 1) != 1) {
      is_right = range_is(file, 0, model.size, model.pattern);
      ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    }
    ::_exit(is_right && file_is(model.path, model.size, model.pattern) ? 0 : 1);
  }
  char word = 0;
  EXPECT_EQ(::read(said[0], &word, 1), 1);
  const UniqueFd behind(::open((bound + "/model").c_str(), O_RDONLY | O_CLOEXEC));
  for (int kill = 0; kill < 3; ++kill) kill_and_wait(mount);
  EXPECT_EQ(::write(go[1], "g", 1), 1);
  int status = -1;
  EXPECT_EQ(::waitpid(container, &status, 0), container);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(range_is(behind.get(), 0, model.size, model.pattern)) << "opened before";
  EXPECT_TRUE(file_is(bound + "/model", model.size, model.pattern));
  EXPECT_EQ(::umount2(bound.c_str(), MNT_DETACH), 0);
  for (const int end : {go[0], go[1], said[0], said[1]}) ::close(end);
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

TEST_F(HandoverTest, AFreshListingTellsTheSameModesAfterARestart) {
  TestMount mount(options({{"--cache-metadata-ttl", "60s"}}));
  ASSERT_EQ(::mkdir(mount.from("folder").c_str(), 0750), 0);
  for (const char* name : {"folder/one", "folder/two"}) put_content(mount.from(name), name);
  ASSERT_EQ(::chmod(mount.from("folder/two").c_str(), 0604), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(mount.from("folder/one").c_str(), kNobody, 100), 0);
  }
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Transcript before = snapshot(mount.mountpoint());
  for (int life = 0; life < 2; ++life) {
    EXPECT_EQ(mount.cli({"restart"}).exit_code, 0) << mount.log();
    EXPECT_EQ(first_difference(before, snapshot(mount.mountpoint())), "") << life;
  }
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
  EXPECT_EQ(*exit_code, 3);
  EXPECT_FALSE(mount.is_mounted());
  EXPECT_EQ(content_of(mount.from("small")), "a small file");
  mount.forget_ended();
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_EQ(content_of(mount.at("small")), "a small file") << "its store is usable again";
}

}  // namespace
}  // namespace arenacache::test
