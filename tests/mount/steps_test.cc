// SPDX-License-Identifier: Apache-2.0
// Each operation that changes something, with the worker killed after each of its steps: what the program is told, and what is
// there then, is what a plain folder says. And the same with the next worker killed while it takes over.
#include <fcntl.h>
#include <stdio.h>  // NOLINT(modernize-deprecated-headers): renameat2 is glibc's
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"
#include "mount/parity.h"
#include "mount/step_killer.h"

namespace arenacache::test {

namespace {

using base::text;
using base::UniqueFd;

constexpr bool kIsSanitized = ARENACACHE_IS_SANITIZED;

bool is_long() { return std::getenv("ARENACACHE_TEST_LONG") != nullptr; }  // NOLINT(concurrency-mt-unsafe)

/// Every step when there is time.
std::uint64_t stride() { return is_long() ? 1 : kIsSanitized ? 61 : 9; }
int rounds_of_two() { return is_long() ? 2000 : kIsSanitized ? 15 : 60; }
/// About as many steps as the longest change has; and a worker until it is ready, and some more.
constexpr std::uint64_t kMostSteps = 150, kMostStepsOfStart = 3000;

struct Change {
  const char* name;
  void (*run)(Place& place);
};

/// What each finds: two files with an attribute, an empty folder.
void prepare(Place& p) {
  p.make_file("a", "content of a");
  p.make_file("b", "content of b");
  p.make_folder("folder");
  p.call("setxattr", ::setxattr(p.at("a").c_str(), "user.is", "a", 1, 0));
}

UniqueFd open_in(Place& p, const char* name, int flags) {
  UniqueFd file(::open(p.at(name).c_str(), flags | O_CLOEXEC, 0644));
  p.opened(name, file.get());
  return file;
}

const std::vector<Change>& all_changes() {
  static const std::vector<Change> kAll{
      {"mkdir", [](Place& p) { p.call("mkdir", ::mkdir(p.at("made").c_str(), 0750)); }},
      {"mkdir that is there", [](Place& p) { p.call("mkdir", ::mkdir(p.at("folder").c_str(), 0750)); }},
      {"rmdir", [](Place& p) { p.call("rmdir", ::rmdir(p.at("folder").c_str())); }},
      {"create", [](Place& p) { open_in(p, "made", O_RDWR | O_CREAT | O_EXCL); }},
      {"create that is there", [](Place& p) { open_in(p, "a", O_RDWR | O_CREAT); }},
      {"open and truncate", [](Place& p) { open_in(p, "a", O_WRONLY | O_TRUNC); }},
      {"mknod", [](Place& p) { p.call("mknod", ::mknod(p.at("made").c_str(), S_IFIFO | 0600, 0)); }},
      {"symlink", [](Place& p) { p.call("symlink", ::symlink("a", p.at("made").c_str())); }},
      {"link", [](Place& p) { p.call("link", ::link(p.at("a").c_str(), p.at("made").c_str())); }},
      {"unlink", [](Place& p) { p.call("unlink", ::unlink(p.at("a").c_str())); }},
      {"unlink while open",
       [](Place& p) {
         const UniqueFd file = open_in(p, "a", O_RDWR);
         p.call("unlink", ::unlink(p.at("a").c_str()));
         p.call("write", ::write(file.get(), "more", 4));
         p.note_stat("open", file.get());
       }},
      {"rename", [](Place& p) { p.call("rename", ::rename(p.at("a").c_str(), p.at("made").c_str())); }},
      {"rename over", [](Place& p) { p.call("rename", ::rename(p.at("a").c_str(), p.at("b").c_str())); }},
      {"rename of a folder",
       [](Place& p) { p.call("rename", ::rename(p.at("folder").c_str(), p.at("made").c_str())); }},
      {"rename of a folder in use",
       [](Place& p) {
         p.make_file("folder/open", "content");
         const UniqueFd reader = open_in(p, "folder/open", O_RDONLY);
         const UniqueFd writer = open_in(p, "folder/open", O_RDWR);
         p.call("rename", ::rename(p.at("folder").c_str(), p.at("made").c_str()));
         p.call("write", ::write(writer.get(), "CONT", 4));
         std::array<char, 7> bytes{};
         p.call("read", ::pread(reader.get(), bytes.data(), bytes.size(), 0));
         p.note(std::string(bytes.data(), bytes.size()));
       }},
      {"create that nobody may write",
       [](Place& p) {
         const UniqueFd file(::open(p.at("made").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
         p.opened("create", file.get());
         p.call("write", ::write(file.get(), "more", 4));
       }},
      {"exchange",
       [](Place& p) {
         p.call("exchange",
                ::renameat2(AT_FDCWD, p.at("a").c_str(), AT_FDCWD, p.at("folder").c_str(), RENAME_EXCHANGE));
       }},
      {"write",
       [](Place& p) {
         const UniqueFd file = open_in(p, "a", O_RDWR);
         p.call("pwrite", ::pwrite(file.get(), "more", 4, 3));
         p.call("fsync", ::fsync(file.get()));
       }},
      {"append",
       [](Place& p) {
         const UniqueFd file = open_in(p, "a", O_WRONLY | O_APPEND);
         p.call("append", ::write(file.get(), "more", 4));
       }},
      {"truncate", [](Place& p) { p.call("truncate", ::truncate(p.at("a").c_str(), 5)); }},
      {"punch",
       [](Place& p) {
         const UniqueFd file = open_in(p, "a", O_RDWR);
         p.call("fallocate", ::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3));
       }},
      {"copy",
       [](Place& p) {
         const UniqueFd from = open_in(p, "a", O_RDONLY);
         const UniqueFd to = open_in(p, "b", O_RDWR);
         p.call("copy_file_range", ::copy_file_range(from.get(), nullptr, to.get(), nullptr, 7, 0));
       }},
      {"chmod", [](Place& p) { p.call("chmod", ::chmod(p.at("a").c_str(), 0600)); }},
      {"chown", [](Place& p) { p.call("chown", ::chown(p.at("a").c_str(), 1, 2)); }},
      {"setxattr",
       [](Place& p) { p.call("setxattr", ::setxattr(p.at("a").c_str(), "user.made", "1", 1, XATTR_CREATE)); }},
      {"removexattr", [](Place& p) { p.call("removexattr", ::removexattr(p.at("a").c_str(), "user.is")); }},
  };
  return kAll;
}

class StepsTest : public MountTest {
 protected:
  static MountOptions options() {
    return {.flags = {{"--daemon-crash-window", "0s"}, {"--cache-min-size", "1"}},
            .watchdog = std::chrono::seconds(is_long() ? 3600 : 270)};
  }

  static pid_t await_worker(const TestMount& mount, pid_t before) {
    pid_t worker = -1;
    EXPECT_TRUE(TestMount::wait_for([&] {
      worker = mount.client().pid();
      return worker > 0 && worker != before;
    })) << mount.log();
    return worker;
  }

  struct Expected {
    Transcript said;
    Transcript tree;
  };
  /// What a plain folder says.
  static Expected on_plain_folder(const Change& change) {
    const TempDir dir;
    Place plain(dir.make_dir("plain"));
    prepare(plain);
    change.run(plain);
    return {.said = plain.transcript(), .tree = snapshot(plain.root())};
  }

  /// The change in a folder of its own, which `deed` is to run.
  template <class Deed>
  static ::testing::AssertionResult runs_right(const TestMount& mount, const Change& change, const Expected& expected,
                                               Deed deed) {
    const std::string folder = text("round-", ++rounds_);
    if (::mkdir(mount.at(folder).c_str(), 0755) != 0) return ::testing::AssertionFailure() << "cannot make " << folder;
    Place place(mount.at(folder));
    prepare(place);
    deed([&] { change.run(place); });
    std::string difference = first_difference(place.transcript(), expected.said);
    if (difference.empty()) difference = first_difference(snapshot(place.root()), expected.tree);
    if (difference.empty()) difference = first_difference(snapshot(mount.from(folder)), expected.tree);
    if (difference.empty()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << change.name << " in " << folder << ":\n" << difference;
  }

  /// Runs `program` and kills the worker after `step`. False: it did not come so far.
  template <class Program>
  static bool kill_after(const TestMount& mount, std::uint64_t step, Program program) {
    const pid_t worker = await_worker(mount, -1);
    StepKiller killer;
    EXPECT_TRUE(killer.watch(worker, step));
    program();
    const bool was_killed = killer.end();
    if (was_killed) await_worker(mount, worker);
    return was_killed;
  }

  /// The same, and kills the one that follows after `next_step`, which may be before it is ready.
  template <class Program>
  static bool kill_two_after(TestMount& mount, std::uint64_t step, std::uint64_t next_step, Program program) {
    std::atomic<bool> has_ended{false};
    StepKiller killer;
    StepKiller next_killer;
    const pid_t first = await_worker(mount, -1);
    EXPECT_TRUE(killer.watch(first, step));
    std::thread running([&] {
      program();
      has_ended = true;
    });
    const auto dies = [&](StepKiller& one) {
      EXPECT_TRUE(TestMount::wait_for([&] { return one.has_killed() || has_ended.load(); }));
      return one.end();
    };
    pid_t next = -1;
    bool were_killed = false;
    if (dies(killer)) {
      EXPECT_TRUE(TestMount::wait_for([&] {
        const auto children = mount.daemon().children();
        const auto found = std::ranges::find_if(children, [&](pid_t child) { return child != first; });
        next = found != children.end() ? *found : -1;
        return next > 0;
      })) << mount.log();
      were_killed = next_killer.watch(next, next_step) && dies(next_killer);
      await_worker(mount, were_killed ? next : first);
    }
    running.join();
    return were_killed;
  }

  inline static int rounds_ = 0;
};

TEST_F(StepsTest, KilledAfterEachStepOfEachChange) {
  TestMount mount(options());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  int kills = 0;
  for (const Change& change : all_changes()) {
    const Expected expected = on_plain_folder(change);
    std::uint64_t step = 1;
    for (bool was_killed = true; was_killed; step += stride()) {
      ASSERT_TRUE(runs_right(mount, change, expected,
                             [&](const auto& program) { was_killed = kill_after(mount, step, program); }))
          << "killed after step " << step << '\n'
          << mount.log();
      kills += was_killed ? 1 : 0;
    }
    std::printf("%s: %llu steps\n", change.name, static_cast<unsigned long long>(step - stride()));
  }
  std::printf("%d kills\n", kills);
}

TEST_F(StepsTest, KilledAgainWhileTheNextOneTakesOver) {
  TestMount mount(options());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto seed = static_cast<unsigned>(std::chrono::steady_clock::now().time_since_epoch().count());
  std::mt19937 random(seed);
  int kills = 0;
  for (int round = 0; round < rounds_of_two(); ++round) {
    const Change& change = all_changes()[random() % all_changes().size()];
    const std::uint64_t step = 1 + random() % kMostSteps;
    const std::uint64_t next_step = 1 + random() % kMostStepsOfStart;
    ASSERT_TRUE(
        runs_right(mount, change, on_plain_folder(change),
                   [&](const auto& program) { kills += kill_two_after(mount, step, next_step, program) ? 2 : 0; }))
        << "round " << round << ", seed " << seed << ", killed after steps " << step << " and " << next_step << '\n'
        << mount.log();
  }
  std::printf("%d kills\n", kills);
  EXPECT_GT(kills, 0);
}

}  // namespace
}  // namespace arenacache::test
