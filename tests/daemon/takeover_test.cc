// SPDX-License-Identifier: Apache-2.0
// A keeper that is killed, where a service manager kept its descriptors (RunningDaemon plays the manager): the next one goes on.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <utility>

#include "arenacache/base/unique_fd.h"
#include "keeper.h"
#include "succession.h"

namespace arenacache::daemon {
namespace {

using base::UniqueFd;

constexpr std::size_t kModelBytes = std::size_t{6} << 20U;

std::string model_bytes() {
  std::string bytes(kModelBytes, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>((i * 7 + i / 4096) & 0x7F);
  return bytes;
}

/// Another process with two files of the mount open that have no name any more. Not this one: it becomes the next keeper by a fork,
/// and that one would have to close them before it can serve.
class Holder {
 public:
  explicit Holder(const std::string& mountpoint) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return;
    line_ = UniqueFd(ends[0]);
    auto holder = ChildProcess::call([&] {
      line_.reset();
      return hold(mountpoint, ends[1]);
    });
    ::close(ends[1]);
    if (holder) process_ = std::move(*holder);
  }

  /// Reads and writes the files; true if they are what they were.
  [[nodiscard]] bool looks() const {
    char word = 'l';
    return ::write(line_.get(), &word, 1) == 1 && hears();
  }
  /// Its next word: 'y' once all is well.
  [[nodiscard]] bool hears() const {
    char word = 0;
    return ::read(line_.get(), &word, 1) == 1 && word == 'y';
  }
  /// Has it close the files and end.
  void end() {
    line_.reset();
    EXPECT_TRUE(RunningDaemon::wait_until_gone(process_.pid()));
  }

 private:
  static bool has(int file, const std::string& expected) {
    std::string bytes(expected.size() + 1, '\0');
    const ssize_t got = ::pread(file, bytes.data(), bytes.size(), 0);
    bytes.resize(static_cast<std::size_t>(got > 0 ? got : 0));
    return bytes == expected;
  }

  static int hold(const std::string& mountpoint, int line) {
    const UniqueFd model(::open((mountpoint + "/model").c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd scratch(::open((mountpoint + "/scratch").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    std::string written = "begun";
    bool is_well = ::write(scratch.get(), written.data(), written.size()) == std::ssize(written);
    for (const char* name : {"/model", "/scratch"}) is_well = ::unlink((mountpoint + name).c_str()) == 0 && is_well;
    char word = is_well ? 'y' : 'n';
    while (::write(line, &word, 1) == 1 && ::read(line, &word, 1) == 1) {
      ::posix_fadvise(model.get(), 0, 0, POSIX_FADV_DONTNEED);
      is_well = has(model.get(), model_bytes());
      is_well = ::write(scratch.get(), "+", 1) == 1 && is_well;
      written += '+';
      is_well = has(scratch.get(), written) && is_well;
      word = is_well ? 'y' : 'n';
    }
    return 0;
  }

  UniqueFd line_;
  ChildProcess process_;
};

class Takeover : public SuccessionTest {
 protected:
  void kill_keeper() {
    const pid_t served = worker();
    daemon_.signal(SIGKILL);
    ASSERT_TRUE(daemon_.wait_for_exit().has_value());
    ASSERT_TRUE(RunningDaemon::wait_until_gone(served));
  }
};

TEST_F(Takeover, FilesWithoutANameAreOpenStill) {
  daemon_.folder().write_file("source/model", model_bytes());
  configure("[fuse]\npassthrough = \"off\"\n");
  daemon_.keep_stored();
  ASSERT_TRUE(start_configured()) << daemon_.log();
  Holder holder(daemon_.mountpoint());
  ASSERT_TRUE(holder.hears());
  ASSERT_TRUE(daemon_.wait_until_stored("kept-0-", 2)) << daemon_.log();
  break_configuration();
  for (int life = 0; life < 3; ++life) {
    ASSERT_NO_FATAL_FAILURE(kill_keeper());
    ASSERT_TRUE(daemon_.start_with_stored()) << daemon_.wait_for_log("never said") << daemon_.log();
    EXPECT_TRUE(holder.looks()) << life;
    EXPECT_TRUE(kill_worker()) << daemon_.log();
    EXPECT_TRUE(holder.looks()) << life;
    EXPECT_EQ(daemon_.read_hello(), "from the source");
  }
  holder.end();
  EXPECT_TRUE(daemon_.wait_until_stored("kept-0-", 0)) << "nobody needs them any more";
  daemon_.signal(SIGTERM);
  EXPECT_TRUE(daemon_.wait_until_stored("", 0)) << "a clean end leaves nothing with the manager";
  expect_exit(kExitSuccess);
}

TEST_F(Takeover, TheNextKeeperHasTheConfigurationThatWasReadLast) {
  configure("");
  daemon_.keep_stored();
  ASSERT_TRUE(start_configured()) << daemon_.log();
  for (const char* const mode_now : {"off", "use-only", "off"}) {
    configure(std::string("[cache]\nmode = \"") + mode_now + "\"\n");
    ASSERT_TRUE(restarts());
    ASSERT_EQ(mode(), mode_now);
  }
  ASSERT_TRUE(daemon_.wait_until_stored("config-3", 1));
  ASSERT_TRUE(daemon_.wait_until_stored("config-", 1)) << "not those from before";
  break_configuration();
  ASSERT_NO_FATAL_FAILURE(kill_keeper());
  ASSERT_TRUE(daemon_.start_with_stored()) << daemon_.wait_for_log("never said") << daemon_.log();
  EXPECT_EQ(mode(), "off");
  ASSERT_TRUE(kill_worker());
  EXPECT_EQ(mode(), "off");
  daemon_.signal(SIGTERM);
  expect_exit(kExitSuccess);
}

}  // namespace
}  // namespace arenacache::daemon
