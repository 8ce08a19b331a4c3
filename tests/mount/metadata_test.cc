// SPDX-License-Identifier: Apache-2.0
// Names, sizes and times out of memory: what costs the source nothing, and what is seen at once all the same. With an hour of
// metadata_ttl only the watch, the mount itself or a refresh can make a change be seen.
#include <fcntl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <stdio.h>  // NOLINT(modernize-deprecated-headers): rename is POSIX
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <numeric>
#include <string>
#include <system_error>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFolders = 20;
constexpr std::size_t kFilesInEach = 60;

/// Every path below `root`, with what find -printf would tell of it: size, mode, mtime.
std::map<std::string, std::string> find(const std::string& root) {
  std::map<std::string, std::string> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    struct stat status{};
    if (::lstat(entry.path().c_str(), &status) != 0) continue;
    const bool is_folder = S_ISDIR(status.st_mode);
    found[entry.path().string().substr(root.size())] = base::text(
        is_folder ? 0 : status.st_size, ' ', status.st_mode, ' ', status.st_mtim.tv_sec, '.', status.st_mtim.tv_nsec);
  }
  return found;
}

bool is_listed(const std::string& folder, const std::string& name) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename() == name) return true;
  }
  return false;
}

bool exists(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

std::int64_t size_of(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? status.st_size : -1;
}

/// How many names each getdents64(2) of a folder gave, to a program with room for all of them.
std::vector<std::size_t> parts_of_listing(const std::string& folder) {
  constexpr std::size_t kLengthAt = 16;  // of linux_dirent64::d_reclen
  const base::UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::vector<char> room(1U << 20U);
  std::vector<std::size_t> parts;
  for (;;) {
    const long got = ::syscall(SYS_getdents64, fd.get(), room.data(), room.size());
    if (got <= 0) return parts;
    parts.push_back(0);
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      std::uint16_t length = 0;
      std::memcpy(&length, room.data() + at + kLengthAt, sizeof length);
      at += length;
      ++parts.back();
    }
  }
}

class MetadataTest : public ModelTest {
 protected:
  static MountOptions patient() { return {.flags = {{"--cache-metadata-ttl", "1h"}}}; }

  static void make_tree(const TestMount& mount) {
    for (std::size_t folder = 0; folder < kFolders; ++folder) {
      const std::string path = mount.from(base::text("folder-", folder));
      ASSERT_EQ(::mkdir(path.c_str(), 0755), 0);
      for (std::size_t file = 0; file < kFilesInEach; ++file) {
        make_pattern_file(base::text(path, "/model-", file, ".safetensors"), file, Pattern{1});
      }
    }
  }

  /// Calls to the source while `deed` ran.
  template <class Deed>
  static std::uint64_t calls_of(const TestMount& mount, const Deed& deed) {
    const std::uint64_t before = mount.stats().origin_calls;
    deed();
    return mount.stats().origin_calls - before;
  }
};

TEST_F(MetadataTest, SecondFindAsksTheSourceNothing) {
  TestMount mount(patient());
  ASSERT_NO_FATAL_FAILURE(make_tree(mount));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto truth = find(mount.source());
  EXPECT_EQ(truth.size(), kFolders * (kFilesInEach + 1));
  EXPECT_GT(calls_of(mount, [&] { EXPECT_EQ(find(mount.mountpoint()), truth); }), 0U);
  EXPECT_EQ(calls_of(mount, [&] { EXPECT_EQ(find(mount.mountpoint()), truth); }), 0U);
}

/// Each call to the source has one deadline, however many names it asks for: a slow source must be able to keep it.
TEST_F(MetadataTest, ManyNamesAreAskedForAFewAtATime) {
  constexpr std::size_t kNames = 300;
  constexpr std::size_t kMostAtATime = 64;
  TestMount mount(patient());
  ASSERT_EQ(::mkdir(mount.from("many").c_str(), 0755), 0);
  for (std::size_t name = 0; name < kNames; ++name) make_pattern_file(mount.from(base::text("many/", name)), 1, {});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto parts = parts_of_listing(mount.at("many"));
  ASSERT_FALSE(parts.empty());
  EXPECT_EQ(std::accumulate(parts.begin(), parts.end(), std::size_t{0}), kNames + 2) << "with . and ..";
  EXPECT_LE(parts.front(), kMostAtATime + 2) << "the kernel asks for attributes with the first ones";
}

TEST_F(MetadataTest, AfterARestartToo) {
  TestMount mount(patient());
  ASSERT_NO_FATAL_FAILURE(make_tree(mount));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto truth = find(mount.source());
  EXPECT_EQ(find(mount.mountpoint()), truth);
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  EXPECT_EQ(calls_of(mount, [&] { EXPECT_EQ(find(mount.mountpoint()), truth); }), 0U);
  EXPECT_EQ(mount.stats().origin_calls, 0U) << "in all of this life";
}

TEST_F(MetadataTest, AChangeIsSeenAtOnceInAFolderThatWasListedBeforeTheRestart) {
  TestMount mount(patient());
  ASSERT_NO_FATAL_FAILURE(make_tree(mount));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto truth = find(mount.source());
  EXPECT_EQ(find(mount.mountpoint()), truth);
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  EXPECT_EQ(calls_of(mount, [&] { EXPECT_EQ(find(mount.mountpoint()), truth); }), 0U);
  const std::string model = "folder-1/model-1.safetensors";
  std::uint64_t size = 1000;
  // Made anew each time: the folders come to be watched some time after the start.
  EXPECT_TRUE(TestMount::wait_for([&] {
    if (size_of(mount.at(model)) == static_cast<std::int64_t>(size)) return true;
    make_pattern_file(mount.from(model), ++size, Pattern{1});
    return false;
  }));
  make_pattern_file(mount.from("folder-2/new"), 5, Pattern{1});
  EXPECT_TRUE(TestMount::wait_for([&] { return is_listed(mount.at("folder-2"), "new"); }));
}

TEST_F(MetadataTest, AfterACrashTheSourceIsAsked) {
  TestMount mount(patient());
  ASSERT_NO_FATAL_FAILURE(make_tree(mount));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_EQ(find(mount.mountpoint()).size(), kFolders * (kFilesInEach + 1));
  ASSERT_NO_FATAL_FAILURE(mount.restart());  // what was listed is in the index
  make_pattern_file(mount.at("made through the mount"), 5, Pattern{1});
  const pid_t worker = mount.client().pid();
  ASSERT_EQ(::kill(worker, SIGKILL), 0);
  ASSERT_TRUE(TestMount::wait_for([&] { return mount.client().pid() > 0 && mount.client().pid() != worker; }));
  EXPECT_TRUE(is_listed(mount.mountpoint(), "made through the mount"));
  EXPECT_EQ(find(mount.mountpoint()), find(mount.source()));
}

TEST_F(MetadataTest, NamesThatComeAndGoInALocalSourceAreSeenAtOnce) {
  TestMount mount(patient());
  ASSERT_EQ(::mkdir(mount.from("folder").c_str(), 0755), 0);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_FALSE(exists(mount.at("folder/model")));
  EXPECT_FALSE(is_listed(mount.at("folder"), "model"));
  make_pattern_file(mount.from("folder/model"), 100, Pattern{1});
  EXPECT_TRUE(TestMount::wait_for([&] { return exists(mount.at("folder/model")); }));
  EXPECT_TRUE(TestMount::wait_for([&] { return is_listed(mount.at("folder"), "model"); }));
  ASSERT_EQ(::rename(mount.from("folder/model").c_str(), mount.from("moved").c_str()), 0);
  EXPECT_TRUE(TestMount::wait_for([&] { return exists(mount.at("moved")) && !exists(mount.at("folder/model")); }));
  EXPECT_TRUE(TestMount::wait_for([&] { return !is_listed(mount.at("folder"), "model"); }));
  ASSERT_EQ(::unlink(mount.from("moved").c_str()), 0);
  EXPECT_TRUE(
      TestMount::wait_for([&] { return !exists(mount.at("moved")) && !is_listed(mount.mountpoint(), "moved"); }));
}

TEST_F(MetadataTest, SizesAndModesOfALocalSourceAreSeenAtOnce) {
  TestMount mount(patient());
  make_pattern_file(mount.from("model"), 100, Pattern{1});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_EQ(size_of(mount.at("model")), 100);
  make_pattern_file(mount.from("model"), 200, Pattern{2});
  EXPECT_TRUE(TestMount::wait_for([&] { return size_of(mount.at("model")) == 200; }));
  EXPECT_TRUE(TestMount::wait_for([&] { return static_cast<bool>(file_is(mount.at("model"), 200, Pattern{2})); }));
  make_pattern_file(mount.from("new"), 300, Pattern{3});
  ASSERT_EQ(::rename(mount.from("new").c_str(), mount.from("model").c_str()), 0);
  EXPECT_TRUE(TestMount::wait_for([&] { return size_of(mount.at("model")) == 300; }));
  ASSERT_EQ(::chmod(mount.from("model").c_str(), 0600), 0);
  EXPECT_TRUE(TestMount::wait_for([&] { return find(mount.mountpoint()) == find(mount.source()); }));
}

TEST_F(MetadataTest, AFolderThatIsMovedInALocalSourceIsSeenAtOnce) {
  TestMount mount(patient());
  ASSERT_NO_FATAL_FAILURE(make_tree(mount));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_EQ(find(mount.mountpoint()), find(mount.source()));
  ASSERT_EQ(::rename(mount.from("folder-1").c_str(), mount.from("folder-2/moved").c_str()), 0);
  ASSERT_EQ(::rename(mount.from("folder-3").c_str(), mount.from("folder-1").c_str()), 0);
  make_pattern_file(mount.from("folder-2/moved/new"), 7, Pattern{1});
  EXPECT_TRUE(TestMount::wait_for([&] { return find(mount.mountpoint()) == find(mount.source()); }));
}

TEST_F(MetadataTest, ChangesThroughTheMountAreSeenAtOnce) {
  TestMount mount(patient());
  ASSERT_NO_FATAL_FAILURE(make_tree(mount));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto expect_true = [&] { EXPECT_EQ(find(mount.mountpoint()), find(mount.source())); };
  expect_true();
  make_pattern_file(mount.at("folder-0/new"), 1000, Pattern{1});
  expect_true();
  ASSERT_EQ(::truncate(mount.at("folder-0/new").c_str(), 77), 0);
  expect_true();
  ASSERT_EQ(::chmod(mount.at("folder-0/model-1.safetensors").c_str(), 0400), 0);
  expect_true();
  ASSERT_EQ(::unlink(mount.at("folder-0/model-2.safetensors").c_str()), 0);
  expect_true();
  ASSERT_EQ(::rename(mount.at("folder-4").c_str(), mount.at("folder-5/inside").c_str()), 0);
  expect_true();
  ASSERT_EQ(::mkdir(mount.at("folder-4").c_str(), 0755), 0);
  expect_true();
  ASSERT_EQ(::symlink("folder-0", mount.at("link").c_str()), 0);
  ASSERT_EQ(::link(mount.at("folder-0/new").c_str(), mount.at("folder-4/same").c_str()), 0);
  expect_true();
  ASSERT_EQ(::unlink(mount.at("folder-4/same").c_str()), 0);
  ASSERT_EQ(::rmdir(mount.at("folder-4").c_str()), 0);
  expect_true();
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  expect_true();
}

/// A mount over a mount: to the upper one its source is a network's, which nobody can watch.
class UnwatchedTest : public MetadataTest {
 protected:
  void SetUp() override {
    MetadataTest::SetUp();
    ASSERT_EQ(::mkdir(nas_.from("folder").c_str(), 0755), 0);
    make_pattern_file(nas_.from("folder/model"), 100, Pattern{1});
    ASSERT_NO_FATAL_FAILURE(nas_.start());
  }
  [[nodiscard]] MountOptions over_nas(const std::string& ttl) const {
    return {.flags = {{"--cache-metadata-ttl", ttl}}, .source = nas_.mountpoint()};
  }

  TestMount nas_{{.flags = {{"--cache-metadata-ttl", "0s"}}}};
};

TEST_F(UnwatchedTest, ARefreshShowsWhatChanged) {
  TestMount mount(over_nas("1h"));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_EQ(find(mount.mountpoint()), find(nas_.source()));
  EXPECT_FALSE(exists(mount.at("folder/new")));
  make_pattern_file(nas_.from("folder/new"), 5, Pattern{1});
  make_pattern_file(nas_.from("folder/model"), 200, Pattern{2});
  EXPECT_FALSE(exists(mount.at("folder/new"))) << "there is nobody to tell";
  EXPECT_EQ(size_of(mount.at("folder/model")), 100);
  const Finished refreshed = mount.cli({"refresh", mount.at("folder")});
  EXPECT_EQ(refreshed.exit_code, 0) << refreshed.output;
  EXPECT_TRUE(TestMount::wait_for([&] { return exists(mount.at("folder/new")); }));
  EXPECT_TRUE(TestMount::wait_for([&] { return find(mount.mountpoint()) == find(nas_.source()); }));
  ASSERT_EQ(::unlink(nas_.from("folder/new").c_str()), 0);
  EXPECT_EQ(mount.cli({"refresh"}).exit_code, 0);
  EXPECT_TRUE(TestMount::wait_for([&] { return find(mount.mountpoint()) == find(nas_.source()); }));
}

TEST_F(UnwatchedTest, AnOpenSeesTheNewFileHoweverLongNamesAreBelieved) {
  TestMount mount(over_nas("1h"));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_TRUE(file_is(mount.at("folder/model"), 100, Pattern{1}));
  for (const std::uint64_t size : {5000U, 60U, 2U << 20U}) {
    make_pattern_file(nas_.from("folder/model"), size, Pattern{size});
    EXPECT_TRUE(
        TestMount::wait_for([&] { return static_cast<bool>(file_is(mount.at("folder/model"), size, Pattern{size})); },
                            std::chrono::seconds(30)))
        << size;
  }
}

TEST_F(UnwatchedTest, WhatWasListedIsListedWhileTheSourceDoesNotAnswer) {
  TestMount mount(over_nas("0s"));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto truth = find(nas_.source());
  EXPECT_EQ(find(mount.mountpoint()), truth);
  const pid_t nas = nas_.worker();
  ASSERT_EQ(::kill(nas, SIGSTOP), 0);
  const auto listed = find(mount.mountpoint());
  ASSERT_EQ(::kill(nas, SIGCONT), 0);
  EXPECT_EQ(listed, truth);
}

TEST_F(UnwatchedTest, NamesAreBelievedNoLongerThanTheyMay) {
  TestMount mount(over_nas("200ms"));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_EQ(find(mount.mountpoint()), find(nas_.source()));
  make_pattern_file(nas_.from("folder/new"), 5, Pattern{1});
  ASSERT_EQ(::unlink(nas_.from("folder/model").c_str()), 0);
  EXPECT_TRUE(TestMount::wait_for([&] { return find(mount.mountpoint()) == find(nas_.source()); }));
}

}  // namespace
}  // namespace arenacache::test
