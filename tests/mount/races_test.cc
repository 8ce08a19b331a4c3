// SPDX-License-Identifier: Apache-2.0
// Folders and files of the source swapped for symlinks or moved away, behind the mount's back, while programs work through the
// mount: nothing outside of the source is ever read, made, changed or removed by the daemon. The programs here follow no symlink
// themselves.
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

using base::UniqueFd;

/// Rounds of a program's work; each meets the swapper in another moment.
constexpr int kRounds = 400;

/// Does something behind the mount once in each round, at some moment of it.
class Meddler {
 public:
  /// `deed` returns whether it was done.
  explicit Meddler(std::function<bool()> deed) : thread_([this, deed = std::move(deed)] { run(deed); }) {}
  ~Meddler() {
    begin_round(kOver);
    thread_.join();
  }
  Meddler(const Meddler&) = delete;
  Meddler& operator=(const Meddler&) = delete;

  void begin_round(int round) {
    round_ = round;
    round_.notify_all();
  }
  [[nodiscard]] long deeds() const { return deeds_; }

 private:
  static constexpr int kOver = -2;

  void run(const std::function<bool()>& deed) {
    unsigned moment = 1;
    for (int seen = -1; seen != kOver; seen = round_) {
      round_.wait(seen);
      moment = moment * 1'103'515'245U + 12'345U;
      for (unsigned spins = (moment >> 16U) % kMostSpins; spins > 0; --spins) {
        std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler keeps the loop
      }
      if (deed()) ++deeds_;
    }
  }

  /// About as long as a round takes.
  static constexpr unsigned kMostSpins = 65'000;
  std::atomic<int> round_ = -1;
  std::atomic<long> deeds_ = 0;
  std::thread thread_;
};

/// Opens without following a symlink anywhere below `folder`.
UniqueFd open_beneath(int folder, const std::string& path, int flags, mode_t mode = 0) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how)));
}

std::string content_of_fd(int fd) {
  std::array<char, 256> buffer{};
  const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), 0);
  return got <= 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(got));
}

/// Whether it succeeds is a matter of the moment.
void try_to(long /*result*/) {}

class RacesTest : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    if (IsSkipped()) return;
    // Nothing is believed for any time, so that each call of a program reaches the daemon.
    mount_ = std::make_unique<TestMount>(MountOptions{.flags = {{"--cache-metadata-ttl", "0s"}}});
    ASSERT_EQ(::mkdir(mount_->from("folder").c_str(), 0755), 0);
    put_content(mount_->from("folder/file"), "inside");
    canary_.write_file("file", "canary");
    canary_.write_file("folder/file", "canary");
    ASSERT_EQ(::symlink(canary_.path().c_str(), mount_->from("way-out").c_str()), 0);
    ASSERT_EQ(::symlink(canary_.path("file").c_str(), mount_->from("folder/way-out").c_str()), 0);
    before_ = snapshot(canary_.path());
    ASSERT_NO_FATAL_FAILURE(mount_->start());
    root_ = UniqueFd(::open(mount_->mountpoint().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(root_.is_open());
  }
  void TearDown() override {
    root_.reset();
    if (before_.empty()) return;
    EXPECT_EQ(first_difference(snapshot(canary_.path()), before_), "") << "the canary was touched";
  }

  /// Does `work` while the two names are swapped behind the mount. It returns whether it got anywhere.
  void race(const std::string& one, const std::string& other, const std::function<bool(int round)>& work) {
    race(
        [from = mount_->from(one), to = mount_->from(other)] {
          return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0;
        },
        work);
  }
  /// The same with any deed.
  static void race(std::function<bool()> deed, const std::function<bool(int round)>& work) {
    Meddler meddler(std::move(deed));
    int successes = 0;
    // Where the moments are unlucky it goes on until the program has got somewhere.
    for (int round = 0; round < kRounds || (successes == 0 && round < 20 * kRounds); ++round) {
      meddler.begin_round(round);
      if (work(round)) ++successes;
    }
    EXPECT_GT(successes, 0) << "nothing was tried";
    EXPECT_GT(meddler.deeds(), 0) << "nothing was done behind it";
  }

  TempDir canary_;
  std::unique_ptr<TestMount> mount_;
  UniqueFd root_;

 private:
  Transcript before_;
};

TEST_F(RacesTest, AFolderSwappedForASymlinkIsNeverReadThrough) {
  race("folder", "way-out", [&](int) {
    const UniqueFd file = open_beneath(root_.get(), "folder/file", O_RDONLY);
    if (!file.is_open()) return false;
    const std::string content = content_of_fd(file.get());
    EXPECT_NE(content, "canary");
    return content == "inside";
  });
}

TEST_F(RacesTest, AFolderSwappedForASymlinkIsNeverWrittenThrough) {
  race("folder", "way-out", [&](int round) {
    const UniqueFd folder = open_beneath(root_.get(), "folder", O_RDONLY | O_DIRECTORY);
    if (!folder.is_open()) return false;
    const std::string name = "new-" + std::to_string(round);
    const UniqueFd made = open_beneath(folder.get(), name, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (made.is_open()) try_to(::pwrite(made.get(), "x", 1, 0));
    try_to(::mkdirat(folder.get(), ("folder-" + name).c_str(), 0755));
    try_to(::fchmodat(folder.get(), "file", round % 2 == 0 ? 0600 : 0644, 0));
    try_to(::linkat(folder.get(), "file", folder.get(), ("link-" + name).c_str(), 0));
    try_to(::renameat(folder.get(), name.c_str(), folder.get(), ("moved-" + name).c_str()));
    try_to(::unlinkat(folder.get(), ("moved-" + name).c_str(), 0));
    try_to(::unlinkat(folder.get(), ("folder-" + name).c_str(), AT_REMOVEDIR));
    return made.is_open();
  });
}

TEST_F(RacesTest, AFileSwappedForASymlinkIsNeverReadOrWrittenThrough) {
  race("folder/file", "folder/way-out", [&](int) {
    const UniqueFd writing = open_beneath(root_.get(), "folder/file", O_WRONLY);
    if (writing.is_open()) try_to(::pwrite(writing.get(), "inside", 6, 0));
    const UniqueFd reading = open_beneath(root_.get(), "folder/file", O_RDONLY);
    if (!reading.is_open()) return false;
    const std::string content = content_of_fd(reading.get());
    EXPECT_NE(content, "canary");
    return content == "inside";
  });
}

TEST_F(RacesTest, AFolderSwappedForASymlinkIsNeverRemovedThrough) {
  race("folder", "way-out", [&](int round) {
    const UniqueFd folder = open_beneath(root_.get(), "folder", O_RDONLY | O_DIRECTORY);
    if (!folder.is_open()) return false;
    const bool is_gone = ::unlinkat(folder.get(), "file", 0) == 0;
    const UniqueFd again = open_beneath(folder.get(), "file", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (again.is_open()) try_to(::pwrite(again.get(), "inside", 6, 0));
    try_to(::renameat(folder.get(), "folder", folder.get(), ("taken-" + std::to_string(round)).c_str()));
    return is_gone;
  });
}

// The folder goes to another parent, out of the source, and home again. What a program made in it goes along, wherever it is by
// then; beside it nothing appears, and nothing goes, in any of the three places.
TEST_F(RacesTest, AFolderThatIsMovedAwayTakesAllThatWasMadeInItAlong) {
  ASSERT_EQ(::mkdir(mount_->from("parent").c_str(), 0755), 0);
  const std::array<std::string, 3> places{mount_->from("folder"), mount_->from("parent/folder"), canary_.path("away")};
  std::size_t where = 0;
  const auto move_on = [&] {
    const std::size_t next = (where + 1) % places.size();
    if (::rename(places[where].c_str(), places[next].c_str()) != 0) return false;
    where = next;
    return true;
  };
  std::vector<std::string> made;
  race(move_on, [&](int round) {
    const std::string number = std::to_string(round);
    const UniqueFd folder = open_beneath(root_.get(), "folder", O_RDONLY | O_DIRECTORY);
    if (!folder.is_open()) return false;
    const UniqueFd file = open_beneath(folder.get(), "made-" + number, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (file.is_open() && ::pwrite(file.get(), "x", 1, 0) == 1) made.push_back("made-" + number);
    const UniqueFd moving = open_beneath(folder.get(), "moving", O_RDWR | O_CREAT, 0644);
    try_to(::mkdirat(folder.get(), "inside", 0755));
    try_to(::renameat(folder.get(), "moving", folder.get(), "inside/moved"));
    try_to(::renameat(folder.get(), "inside/moved", root_.get(), "outside"));
    try_to(::renameat(root_.get(), "outside", folder.get(), "back"));
    try_to(::linkat(folder.get(), "back", folder.get(), "link", 0));
    for (const char* name : {"moving", "inside/moved", "back", "link"}) try_to(::unlinkat(folder.get(), name, 0));
    try_to(::unlinkat(root_.get(), "outside", 0));
    try_to(::unlinkat(folder.get(), "inside", AT_REMOVEDIR));
    return file.is_open();
  });
  while (where != 0) ASSERT_TRUE(move_on());
  for (const std::string& name : made) EXPECT_EQ(content_of(mount_->from("folder/" + name)), "x") << name;
  EXPECT_EQ(content_of(mount_->from("folder/file")), "inside");
  EXPECT_TRUE(std::filesystem::is_empty(mount_->from("parent")));
}

}  // namespace
}  // namespace arenacache::test
