// SPDX-License-Identifier: Apache-2.0
// A source that hangs, as a NAS whose cable was pulled: what is known goes on, what is not fails in time, all is well afterwards.
// The source is a mount of another daemon, whose worker is stopped. ARENACACHE_TEST_LONG=1: stalls of 40 s.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kTimeout = 2s;

/// Every path below `root`, with its size.
std::map<std::string, std::uint64_t> tree_of(const std::string& root) {
  std::map<std::string, std::uint64_t> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    struct stat status{};
    const bool is_there = ::lstat(entry.path().c_str(), &status) == 0;
    EXPECT_TRUE(is_there) << entry.path() << ": " << std::strerror(errno);
    const bool is_file = is_there && S_ISREG(status.st_mode);
    found[entry.path().string().substr(root.size())] = is_file ? static_cast<std::uint64_t>(status.st_size) : 0;
  }
  return found;
}

/// 0, or why there is no such file.
int look_up(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? 0 : errno;
}

/// A process that reads one page of a mapped file: an error there would kill it.
class MappedReader {
 public:
  MappedReader(const Model& model, std::uint64_t offset) : fd_(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC)) {
    AC_CHECK(fd_.is_open());
    void* const place = ::mmap(nullptr, model.size, PROT_READ, MAP_SHARED, fd_.get(), 0);
    AC_CHECK(place != MAP_FAILED);
    map_ = {static_cast<const std::byte*>(place), model.size};
    expected_ = pattern_bytes(offset, kPage, model.pattern);
    offset_ = offset;
  }
  ~MappedReader() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    ::munmap(const_cast<std::byte*>(map_.data()), map_.size());
  }
  MappedReader(const MappedReader&) = delete;
  MappedReader& operator=(const MappedReader&) = delete;

  void start() {
    child_ = ::fork();
    AC_CHECK(child_ >= 0);
    if (child_ == 0) ::_exit(std::memcmp(map_.data() + offset_, expected_.data(), expected_.size()) == 0 ? 0 : 1);
  }
  [[nodiscard]] bool is_waiting() const {
    siginfo_t ended{};
    return ::waitid(P_PID, static_cast<id_t>(child_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
  }
  /// The status of its end, as waitpid tells it: 0 when it read the right bytes.
  int wait() {
    int status = -1;
    ::waitpid(std::exchange(child_, -1), &status, 0);
    return status;
  }

 private:
  const base::UniqueFd fd_;
  std::span<const std::byte> map_;
  std::vector<std::byte> expected_;
  std::uint64_t offset_ = 0;
  pid_t child_ = -1;
};

class OutageTest : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    ASSERT_EQ(::mkdir(nas_.from("folder").c_str(), 0755), 0);
    for (std::uint64_t file = 0; file < 20; ++file) {
      make_pattern_file(nas_.from(base::text("folder/lora-", file)), 1000 + file, Pattern{file});
    }
    for (const char* name : {"model", "other"}) make_pattern_file(nas_.from(name), kModelSize, Pattern{1});
    ASSERT_NO_FATAL_FAILURE(nas_.start());
  }

  [[nodiscard]] MountOptions over_nas() const {
    return {.flags = {{"--cache-metadata-ttl", "0s"}, {"--origin-timeout", "2s"}}, .source = nas_.mountpoint()};
  }
  static Model model_of(const TestMount& mount, const char* name) {
    return {.path = mount.at(name), .size = kModelSize, .pattern = Pattern{1}};
  }

  TestMount nas_{{.flags = {{"--cache-mode", "off"}, {"--cache-metadata-ttl", "0s"}, {"--fuse-passthrough", "off"}}}};
};

/// The source answers nothing while this lives.
class Hang {
 public:
  explicit Hang(const TestMount& source) : worker_(source.worker()) {
    AC_CHECK(worker_ > 0);
    AC_CHECK(::kill(worker_, SIGSTOP) == 0);
    AC_CHECK(TestMount::wait_for([this] { return is_stopped(); }));
  }
  ~Hang() { heal(); }
  Hang(const Hang&) = delete;
  Hang& operator=(const Hang&) = delete;
  void heal() const { ::kill(worker_, SIGCONT); }

 private:
  /// All of its threads: the signal takes a moment to reach each.
  [[nodiscard]] bool is_stopped() const {
    for (const fs::directory_entry& thread : fs::directory_iterator(base::text("/proc/", worker_, "/task"))) {
      std::ifstream in(thread.path() / "stat");
      std::string number, name, state;  // "123 (fuse) T ..."; no thread of ours has a space in its name
      if (!(in >> number >> name >> state) || state != "T") return false;
    }
    return true;
  }

  const pid_t worker_;
};

TEST_F(OutageTest, WhatIsKnownGoesOnAndWhatIsNotFailsInTime) {
  TestMount mount(over_nas());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = model_of(mount, "model");
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "model", model));
  const auto truth = tree_of(mount.mountpoint());
  EXPECT_EQ(truth.size(), 23U);
  EXPECT_EQ(mount.stats().health, "up");
  const Hang hang(nas_);
  const auto begun = Clock::now();
  EXPECT_EQ(look_up(mount.at("unknown")), ETIMEDOUT);
  const auto first = Clock::now() - begun;
  EXPECT_GE(first, kTimeout - 100ms);
  EXPECT_NE(mount.stats().health, "up");
  // None of these waits for itself.
  for (int i = 0; i < 50; ++i) EXPECT_EQ(look_up(mount.at(base::text("unknown-", i))), ETIMEDOUT);
  EXPECT_LT(Clock::now() - begun - first, 50 * kTimeout / 2);
  drop_pages(model.path);
  EXPECT_TRUE(load_in_order(model));
  EXPECT_EQ(tree_of(mount.mountpoint()), truth);
  EXPECT_TRUE(load_in_order(model));
  hang.heal();
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.stats().health == "up"; })) << mount.stats().text;
  EXPECT_EQ(look_up(mount.at("unknown")), ENOENT);
  make_pattern_file(nas_.from("unknown"), 5, Pattern{1});
  EXPECT_TRUE(TestMount::wait_for([&] { return look_up(mount.at("unknown")) == 0; }));
  EXPECT_TRUE(load_in_order(model_of(mount, "other")));
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.stats().lost_threads == 0; }));
}

TEST_F(OutageTest, AMappedReaderOutlastsAStallThatIsLongerThanTheTimeout) {
  const bool is_long = std::getenv("ARENACACHE_TEST_LONG") != nullptr;  // NOLINT(concurrency-mt-unsafe): nobody sets it
  TestMount mount(over_nas());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  MappedReader reader(model_of(mount, "model"), 20 * kMiB);
  const Hang hang(nas_);
  reader.start();
  EXPECT_EQ(look_up(mount.at("unknown")), ETIMEDOUT) << "so long it has lasted";
  EXPECT_TRUE(reader.is_waiting());
  if (is_long) ::poll(nullptr, 0, 40'000);
  EXPECT_TRUE(reader.is_waiting());
  hang.heal();
  EXPECT_EQ(reader.wait(), 0) << "SIGBUS is 7";
}

TEST_F(OutageTest, WhatWasListedIsListedAfterARestartToo) {
  TestMount mount(over_nas());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = model_of(mount, "model");
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "model", model));
  const auto truth = tree_of(mount.mountpoint());
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  const Hang hang(nas_);
  EXPECT_EQ(tree_of(mount.mountpoint()), truth);
  EXPECT_TRUE(load_in_order(model));
}

}  // namespace
}  // namespace arenacache::test
