// SPDX-License-Identifier: Apache-2.0
// A source that changes behind our back: new opens see the new version in time, an open file is never a mix of two.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

constexpr std::uint64_t kSize = 16 * kMiB;
constexpr std::int64_t kSecond = 1'700'000'000;  ///< a time of the past, the same for all versions

class VersionsTest : public ModelTest {
 protected:
  static MountOptions quick() { return {.flags = {{"--cache-metadata-ttl", "50ms"}}}; }

  /// The next version, at the same size and in the same second, put there by rename.
  static void replace(const TestMount& mount, const std::string& name, Pattern pattern) {
    const std::string fresh = mount.from("." + name + ".new");
    make_pattern_file(fresh, kSize, pattern);
    set_time(fresh, kSecond, static_cast<std::int64_t>(pattern) * 1'000'000);
    ASSERT_EQ(::rename(fresh.c_str(), mount.from(name).c_str()), 0);
  }

  /// The next version, written over the old one in place.
  static void rewrite(const TestMount& mount, const std::string& name, Pattern pattern) {
    make_pattern_file(mount.from(name), kSize, pattern);
    set_time(mount.from(name), kSecond, static_cast<std::int64_t>(pattern) * 1'000'000);
  }

  static void expect_seen(const TestMount& mount, const std::string& name, Pattern pattern,
                          std::uint64_t size = kSize) {
    EXPECT_TRUE(TestMount::wait_for([&] { return static_cast<bool>(file_is(mount.at(name), size, pattern)); }))
        << "version " << static_cast<std::uint64_t>(pattern)
        << " was never seen: " << file_is(mount.at(name), size, pattern).message();
  }

  /// Reads an open file by blocks; each page must be of one of `count` versions, all of the same; ESTALE ends it well.
  static ::testing::AssertionResult is_one_version(int fd, unsigned count) {
    std::vector<std::byte> buffer(256 << 10);
    std::optional<Pattern> seen;
    for (std::uint64_t offset = 0; offset < kSize; offset += buffer.size()) {
      const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == ESTALE) return ::testing::AssertionSuccess();
      if (got != static_cast<ssize_t>(buffer.size())) {
        return ::testing::AssertionFailure()
               << "pread at " << offset << " gave " << got << ": " << std::strerror(errno);
      }
      for (std::size_t at = 0; at < buffer.size(); at += kPage) {
        const auto version = pattern_of_page(std::span(buffer).subspan(at, kPage), offset + at, count);
        if (!version) return ::testing::AssertionFailure() << "a page of no version at " << offset + at;
        if (seen && *seen != *version)
          return ::testing::AssertionFailure() << "two versions in one open file at " << offset + at;
        seen = version;
      }
    }
    return ::testing::AssertionSuccess();
  }

  static base::UniqueFd open_at(const TestMount& mount, const std::string& name) {
    return base::UniqueFd(::open(mount.at(name).c_str(), O_RDONLY | O_CLOEXEC));
  }
};

TEST_F(VersionsTest, ReplacedBetweenOpensIsSeenByTheNext) {
  TestMount mount(quick());
  replace(mount, "model", Pattern{0});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  for (std::uint64_t version = 1; version < 4; ++version) {
    expect_seen(mount, "model", Pattern{version - 1});
    mount.wait_resident("model");
    replace(mount, "model", Pattern{version});
    expect_seen(mount, "model", Pattern{version});
  }
  mount.wait_resident("model");
  EXPECT_EQ(mount.stats().objects, 1U) << "old versions are dropped";
}

TEST_F(VersionsTest, RewrittenBetweenOpensIsSeenByTheNext) {
  TestMount mount(quick());
  rewrite(mount, "model", Pattern{0});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  expect_seen(mount, "model", Pattern{0});
  mount.wait_resident("model");
  rewrite(mount, "model", Pattern{1});
  expect_seen(mount, "model", Pattern{1});
}

TEST_F(VersionsTest, OtherSizeIsSeenByTheNextOpen) {
  TestMount mount(quick());
  replace(mount, "model", Pattern{0});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  expect_seen(mount, "model", Pattern{0});
  mount.wait_resident("model");
  for (const std::uint64_t size : {kSize / 2 + 5, kSize * 2, std::uint64_t{100}}) {
    make_pattern_file(mount.from("new"), size, Pattern{size});
    ASSERT_EQ(::rename(mount.from("new").c_str(), mount.from("model").c_str()), 0);
    expect_seen(mount, "model", Pattern{size}, size);
  }
}

TEST_F(VersionsTest, BehindTheEndOfAnOpenVersionAreNoZeros) {
  TestMount mount(quick());
  constexpr std::uint64_t kShort = 100'000;  // ends within a page; small enough to keep its node
  make_pattern_file(mount.from("model"), kShort, Pattern{0});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const base::UniqueFd fd = open_at(mount, "model");
  EXPECT_TRUE(range_is(fd.get(), 0, kShort, Pattern{0}));
  mount.wait_resident("model");
  make_pattern_file(mount.from("model"), 3 * kShort, Pattern{1});
  expect_seen(mount, "model", Pattern{1}, 3 * kShort);
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  EXPECT_TRUE(range_is(fd.get(), 0, kShort / kPage * kPage, Pattern{0})) << "which is whole in the store";
  for (const std::uint64_t offset : {kShort, 2 * kShort}) {
    std::array<std::byte, 100> bytes{};
    const ssize_t got = ::pread(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    EXPECT_TRUE(got == 0 || (got < 0 && errno == ESTALE)) << got << " bytes at " << offset;
  }
}

TEST_F(VersionsTest, OpensWithoutANameAreEachOfTheVersionThatTheyGoBy) {
  TestMount mount(quick());
  constexpr std::uint64_t kSmall = kMiB;  // small enough to keep its node
  const auto rewrite_small = [&](std::uint64_t version) {
    make_pattern_file(mount.from("model"), kSmall, Pattern{version});
    set_time(mount.from("model"), kSecond, static_cast<std::int64_t>(version) * 1'000'000);
  };
  const auto open_again = [](const base::UniqueFd& file) {
    return base::UniqueFd(::open(base::text("/proc/self/fd/", file.get()).c_str(), O_RDONLY | O_CLOEXEC));
  };
  rewrite_small(0);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  base::UniqueFd old = open_at(mount, "model");
  EXPECT_TRUE(range_is(old.get(), 0, kSmall, Pattern{0}));
  mount.wait_resident("model");
  rewrite_small(1);
  expect_seen(mount, "model", Pattern{1}, kSmall);
  const base::UniqueFd fresh = open_at(mount, "model");
  EXPECT_TRUE(range_is(fresh.get(), 0, kSmall, Pattern{1})) << "past the pages of the old one";
  ASSERT_EQ(::unlink(mount.from("model").c_str()), 0);
  ASSERT_TRUE(TestMount::wait_for([&] { return ::access(mount.at("model").c_str(), F_OK) != 0; }));
  const base::UniqueFd old_again = open_again(old);
  ASSERT_TRUE(old_again.is_open()) << std::strerror(errno);
  EXPECT_TRUE(range_is(old_again.get(), 0, kSmall / 2, Pattern{0}));
  old.reset();
  ASSERT_TRUE(TestMount::wait_for([&] { return mount.stats().open_files == 2; }));
  const base::UniqueFd fresh_again = open_again(fresh);
  ASSERT_TRUE(fresh_again.is_open()) << std::strerror(errno);
  EXPECT_TRUE(range_is(fresh_again.get(), 0, kSmall, Pattern{1}));
  EXPECT_TRUE(range_is(old_again.get(), 0, kSmall, Pattern{0}));
}

TEST_F(VersionsTest, ChangedWhileTheDaemonWasAwayIsSeen) {
  TestMount mount(quick());
  replace(mount, "model", Pattern{0});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  expect_seen(mount, "model", Pattern{0});
  mount.wait_resident("model");
  mount.stop();
  rewrite(mount, "model", Pattern{1});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_TRUE(file_is(mount.at("model"), kSize, Pattern{1}));
}

TEST_F(VersionsTest, OpenFileOfAReplacedSourceIsNeverAMix) {
  TestMount mount(quick());
  replace(mount, "model", Pattern{0});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  for (unsigned version = 0; version < 4; ++version) {
    expect_seen(mount, "model", Pattern{version});
    const base::UniqueFd fd = open_at(mount, "model");
    replace(mount, "model", Pattern{version + 1});
    expect_seen(mount, "model", Pattern{version + 1});
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    EXPECT_TRUE(is_one_version(fd.get(), version + 1)) << "of those before " << version + 1;
  }
}

TEST_F(VersionsTest, ColdOpenFileOfARewrittenSourceIsNeverAMix) {
  TestMount mount(quick());
  rewrite(mount, "model", Pattern{0});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  for (unsigned version = 0; version < 4; ++version) {
    const std::string name = "model-" + std::to_string(version);
    rewrite(mount, name, Pattern{0});
    const base::UniqueFd fd = open_at(mount, name);
    EXPECT_TRUE(range_is(fd.get(), std::uint64_t{version} * 3 * kMiB, kMiB, Pattern{0}));
    rewrite(mount, name, Pattern{1});
    EXPECT_TRUE(is_one_version(fd.get(), 1)) << "only what was opened, or ESTALE";
    expect_seen(mount, name, Pattern{1});
  }
}

TEST_F(VersionsTest, OpenFileThatIsWholeInTheStoreKeepsItsVersion) {
  TestMount mount(quick());
  replace(mount, "model", Pattern{0});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  expect_seen(mount, "model", Pattern{0});
  mount.wait_resident("model");
  const base::UniqueFd fd = open_at(mount, "model");
  replace(mount, "model", Pattern{1});
  expect_seen(mount, "model", Pattern{1});
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  EXPECT_TRUE(range_is(fd.get(), 0, kSize, Pattern{0}));
}

TEST_F(VersionsTest, ReadersNeverSeeAMixWhileTheSourceIsReplacedAgainAndAgain) {
  constexpr unsigned kVersions = 15;
  constexpr int kReaders = 3;
  TestMount mount(quick());
  replace(mount, "model", Pattern{0});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  std::atomic<bool> is_over{false};
  std::atomic<unsigned> passes{0};
  std::thread writer([&] {
    for (unsigned version = 1; version < kVersions; ++version) {
      const unsigned before = passes;
      EXPECT_TRUE(TestMount::wait_for([&] { return passes >= before + 2 || is_over; }));
      replace(mount, "model", Pattern{version});
    }
    is_over = true;
  });
  const auto verdict = in_threads(kReaders, [&](int) {
    ::testing::AssertionResult result = ::testing::AssertionSuccess();
    while (!is_over && result) {
      const base::UniqueFd fd = open_at(mount, "model");
      if (!fd.is_open()) result = ::testing::AssertionFailure() << "open: " << std::strerror(errno);
      if (result) result = is_one_version(fd.get(), kVersions);
      ++passes;
    }
    is_over = true;
    return result;
  });
  writer.join();
  EXPECT_TRUE(verdict);
  expect_seen(mount, "model", Pattern{kVersions - 1});
}

TEST_F(VersionsTest, NamesThatComeAndGoBehindOurBackAreSeenInTime) {
  TestMount mount(quick());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto is_there = [&] { return ::access(mount.at("model").c_str(), F_OK) == 0; };
  const auto is_listed = [&] {
    DIR* const folder = ::opendir(mount.mountpoint().c_str());
    bool found = false;
    while (const dirent* entry = ::readdir(folder)) found = found || std::strcmp(entry->d_name, "model") == 0;
    ::closedir(folder);
    return found;
  };
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(is_there());
    EXPECT_FALSE(is_listed());
    make_pattern_file(mount.from("model"), 100, Pattern{1});
    EXPECT_TRUE(TestMount::wait_for(is_there));
    EXPECT_TRUE(TestMount::wait_for(is_listed));
    ASSERT_EQ(::unlink(mount.from("model").c_str()), 0);
    EXPECT_TRUE(TestMount::wait_for([&] { return !is_there() && !is_listed(); }));
  }
}

TEST_F(VersionsTest, RemovedBehindOurBackIsStillReadByWhoHasItOpen) {
  TestMount mount(quick());
  replace(mount, "model", Pattern{0});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  expect_seen(mount, "model", Pattern{0});
  mount.wait_resident("model");
  const base::UniqueFd fd = open_at(mount, "model");
  ASSERT_EQ(::unlink(mount.from("model").c_str()), 0);
  EXPECT_TRUE(TestMount::wait_for([&] { return ::access(mount.at("model").c_str(), F_OK) != 0; }));
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  EXPECT_TRUE(is_one_version(fd.get(), 1));
}

TEST_F(VersionsTest, ModeChangedBehindOurBackKeepsTheObject) {
  TestMount mount(quick());
  replace(mount, "model", Pattern{0});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  expect_seen(mount, "model", Pattern{0});
  mount.wait_resident("model");
  ASSERT_EQ(::chmod(mount.from("model").c_str(), 0600), 0);
  EXPECT_TRUE(TestMount::wait_for([&] {
    struct stat status{};
    return ::stat(mount.at("model").c_str(), &status) == 0 && (status.st_mode & 07777) == 0600;
  }));
  EXPECT_TRUE(file_is(mount.at("model"), kSize, Pattern{0}));
  EXPECT_EQ(mount.stats().resident, 1U);
}

}  // namespace
}  // namespace arenacache::test
