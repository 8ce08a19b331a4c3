// SPDX-License-Identifier: Apache-2.0
#include "mount/test_mount.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::test {
namespace {

constexpr auto kStartPatience = std::chrono::seconds(90);  // virtual disks stall for half a minute now and then
constexpr auto kStopPatience = std::chrono::seconds(60);

std::string make_open_dir(const TempDir& dir, std::string_view name) {
  std::string path = dir.make_dir(name);
  AC_CHECK(::chmod(path.c_str(), 0755) == 0);
  return path;
}

void give_to(const std::string& path, uid_t owner) { AC_CHECK(::chown(path.c_str(), owner, owner) == 0); }

/// The watchdog's whole life: waits for its leash's end (all is well, or the test was killed) or for the deadline.
[[noreturn]] void watch(int held, pid_t daemon, const char* mountpoint, int patience_ms) {
  constexpr int kLeash = 3;  // every other descriptor goes: files of the mount must not stay open here
  ::setpgid(0, 0);
  ::dup2(held, kLeash);
  ::close_range(kLeash + 1, ~0U, 0);
  pollfd event{.fd = kLeash, .events = POLLIN, .revents = 0};
  char word = 0;
  const bool is_timeout = ::poll(&event, 1, patience_ms) == 0;
  if (is_timeout || ::read(kLeash, &word, 1) != 1) {
    ::kill(-daemon, SIGKILL);
    // Force: ends the connection, so that whoever waits for an answer gets an error.
    ::umount2(mountpoint, MNT_FORCE | UMOUNT_NOFOLLOW);
    ::umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
  }
  ::_exit(0);
}

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool wants_full_disk() { return std::getenv("ARENACACHE_TEST_FULL_DISK") != nullptr; }  // NOLINT(concurrency-mt-unsafe)

std::string missing_loop_disks() {
  const bool can_mount = ::geteuid() == 0 && ::access("/dev/loop-control", F_OK) == 0;
  return can_mount ? std::string() : "no disks can be made here";
}

}  // namespace

std::string missing_fuse() { return ::access("/dev/fuse", F_OK) == 0 ? std::string() : "there is no /dev/fuse here"; }

bool is_mountpoint(const std::string& path) {
  std::istringstream lines(file_text("/proc/self/mountinfo"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id, parent, device, root, point;
    if (fields >> id >> parent >> device >> root >> point && point == path) return true;
  }
  return false;
}

std::string daemon_program() { return ARENACACHE_BINARY_DIR "/src/daemon/arenacached"; }

void MountTest::SetUp() {
  const std::string why = missing_fuse() + (wants_full_disk() ? missing_loop_disks() : std::string());
  if (why.empty()) return;
  if (std::getenv("CI") != nullptr) FAIL() << why;  // NOLINT(concurrency-mt-unsafe): nobody sets the environment
  GTEST_SKIP() << why;
}

TestMount::TestMount(MountOptions options)
    : options_(std::move(options)),
      source_(options_.source.empty() ? make_open_dir(dir_, "source") : options_.source),
      mountpoint_(options_.over_source ? source_ : make_open_dir(dir_, "mount")),
      store_(options_.store.empty() ? dir_.path("store") : options_.store),
      socket_(dir_.path("socket")),
      client_(socket_) {
  AC_CHECK(::chmod(dir_.path().c_str(), 0755) == 0);
  if (wants_full_disk() && options_.store.empty()) move_to_full_disk();
  if (!options_.run_as) return;
  for (const std::string& path : {dir_.path(), source_, mountpoint_}) give_to(path, *options_.run_as);
}

void TestMount::move_to_full_disk() {
  constexpr std::uint64_t kDiskBytes = std::uint64_t{16} << 20U;
  full_disk_ = std::make_unique<LoopDisk>("ext4", kDiskBytes);
  AC_CHECK(full_disk_->missing().empty());
  store_ = full_disk_->path() + "/store";
  options_.flags["--store-keep-free"] = "0";
  if (options_.run_as) give_to(full_disk_->path(), *options_.run_as);
}

TestMount::~TestMount() {
  if (daemon_) stop();
  if (::testing::Test::HasFailure()) std::fputs(("--- the daemon's log:\n" + log() + "---\n").c_str(), stderr);
}

void TestMount::use_config(const std::string& toml, std::vector<std::string> also_mounted) {
  config_path_ = dir_.write_file("config.toml", toml);
  also_mounted_ = std::move(also_mounted);
}

std::vector<std::string> TestMount::command_line() const {
  if (!config_path_.empty()) return {daemon_program(), "--foreground", "--config", config_path_};
  std::map<std::string, std::string> flags{
      {"--source", source_},          {"--mount", mountpoint_},          {"--store", store_},
      {"--socket", socket_},          {"--capacity", options_.capacity}, {"--cache-settle", "0s"},
      {"--cache-metadata-ttl", "1s"}, {"--store-keep-free", "64MiB"}};
  for (const auto& [name, value] : options_.flags) flags[name] = value;
  std::vector<std::string> out{daemon_program(), "--foreground"};
  for (const auto& [name, value] : flags) {
    out.push_back(name);
    out.push_back(value);
  }
  return out;
}

void TestMount::start() {
  ASSERT_FALSE(daemon_) << "it runs already";
  daemon_ = std::make_unique<ChildProcess>(ChildOptions{.arguments = command_line(),
                                                        .output_path = dir_.path("daemon.log"),
                                                        .run_as = options_.run_as,
                                                        .environment = options_.environment});
  start_watchdog();
  const bool is_ready =
      wait_for([this] { return !daemon_->is_running() || (is_mounted() && client_.answers()); }, kStartPatience);
  ASSERT_TRUE(is_ready && daemon_->is_running()) << "the daemon did not start:\n" << log();
  if (full_disk_) full_disk_->fill("ballast");
}

ExitCode TestMount::stop() {
  if (!daemon_) return 0;
  daemon_->signal(SIGTERM);
  const auto exit_code = daemon_->wait(kStopPatience);
  EXPECT_TRUE(exit_code.has_value()) << "the daemon did not stop";
  EXPECT_EQ(exit_code.value_or(0), 0) << "the daemon ended with an error:\n" << log();
  EXPECT_FALSE(is_mounted()) << "the daemon left its mount";
  daemon_.reset();
  end_watchdog();
  remove_left_mount();
  return exit_code.value_or(-1);
}

void TestMount::forget_ended() {
  ASSERT_FALSE(daemon_->is_running());
  daemon_.reset();
  end_watchdog();
}

void TestMount::restart(const std::map<std::string, std::string>& changes) {
  stop();
  for (const auto& [name, value] : changes) options_.flags[name] = value;
  start();
}

void TestMount::start_watchdog() {
  std::array<int, 2> ends{};
  AC_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const int patience = static_cast<int>(std::chrono::milliseconds(options_.watchdog).count());
  watchdog_ = ::fork();
  AC_CHECK(watchdog_ >= 0);
  if (watchdog_ == 0) {
    ::close(ends[1]);
    watch(ends[0], daemon_->pid(), mountpoint_.c_str(), patience);
  }
  ::close(ends[0]);
  watchdog_leash_ = base::UniqueFd(ends[1]);
}

void TestMount::end_watchdog() {
  const char word = 'w';
  EXPECT_EQ(::send(watchdog_leash_.get(), &word, 1, MSG_NOSIGNAL), 1) << "the watchdog had to end the daemon";
  watchdog_leash_.reset();
  ::waitpid(watchdog_, nullptr, 0);
}

void TestMount::remove_left_mount() {
  while (is_mounted() && ::umount2(mountpoint_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
  for (const std::string& path : also_mounted_) {
    while (is_mountpoint(path) && ::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
  }
}

bool TestMount::is_mounted() const { return is_mountpoint(mountpoint_); }

pid_t TestMount::worker() const {
  const auto children = daemon_->children();
  return children.size() == 1 ? children.front() : -1;
}

std::string TestMount::log() const { return file_text(dir_.path("daemon.log")); }

Stats TestMount::stats() const {
  const auto stats = client_.stats();
  EXPECT_TRUE(stats.has_value()) << "no answer to stats";
  return stats.value_or(Stats{});
}

std::optional<Object> TestMount::object(std::string_view name) const {
  const auto objects = client_.list();
  const auto found = std::find_if(objects.begin(), objects.end(), [&](const Object& one) { return one.path == name; });
  return found == objects.end() ? std::nullopt : std::optional(*found);
}

Finished TestMount::cli(std::vector<std::string> words) const {
  words.insert(words.begin(), ARENACACHE_BINARY_DIR "/src/cli/arenacache");
  words.insert(words.end(), {"--socket", socket_});
  return run_program(words);
}

bool TestMount::wait_for(const std::function<bool()>& predicate, std::chrono::seconds patience) {
  constexpr int kPauseMs = 5;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!predicate()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, kPauseMs);
  }
  return true;
}

void TestMount::wait_resident(std::string_view name, std::chrono::seconds patience) const {
  const bool is_resident = wait_for(
      [&] {
        const auto found = object(name);
        return found && found->state == "resident";
      },
      patience);
  EXPECT_TRUE(is_resident) << name << " is not resident: " << client_.ask("ls") << stats().text;
}

void TestMount::wait_idle() const {
  EXPECT_TRUE(wait_for([this] {
    const Stats now = stats();
    return now.fills_active == 0 && now.fills_queued == 0;
  })) << stats().text;
}

std::vector<std::string> TestMount::store_files() const {
  std::vector<std::string> out;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(store_ + "/raw", error), end; !error && at != end;
       at.increment(error)) {
    if (at->is_regular_file(error) && at->path().extension().empty()) out.push_back(at->path().string());
  }
  return out;
}

}  // namespace arenacache::test
