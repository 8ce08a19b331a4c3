// SPDX-License-Identifier: Apache-2.0
// The daemon from start to end as its owner sees it: what is mounted, what is left, what it refuses.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

using base::UniqueFd;

class LifecycleTest : public ModelTest {};

TEST_F(LifecycleTest, TermWithOpenFilesAndMappedReadersEndsInTimeAndCleanly) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  const UniqueFd reading(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd writing(::open(mount.at("new").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  const UniqueFd folder(::open(mount.mountpoint().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(range_is(reading.get(), 0, kMiB, model.pattern));
  ASSERT_EQ(::write(writing.get(), "abc", 3), 3);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(mount.stop(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(15));
  EXPECT_EQ(content_of(mount.from("new")), "abc");
  std::byte byte{};
  EXPECT_EQ(::pread(reading.get(), &byte, 1, 20 << 20), -1) << "an error, not a hang";
}

TEST_F(LifecycleTest, TermWhileReadersWaitEndsInTime) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model", 128 * kMiB);
  std::thread reader([&] { static_cast<void>(load_in_order(model)); });
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.stats().origin_read_bytes > 0; }));
  EXPECT_EQ(mount.stop(), 0);
  reader.join();
}

TEST_F(LifecycleTest, MountOverTheSourceItself) {
  TestMount mount({.over_source = true});
  const auto before_folder = mount.from("folder");
  ASSERT_EQ(::mkdir(before_folder.c_str(), 0755), 0);
  make_pattern_file(mount.from("folder/model"), kModelSize, Pattern{1});
  const auto before = snapshot(mount.source());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model{.path = mount.at("folder/model"), .size = kModelSize, .pattern = Pattern{1}};
  make_resident(mount, "folder/model", model);
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(load_in_order(model)); }), 0U);
  EXPECT_EQ(first_difference(snapshot(mount.mountpoint()), before), "");
  put_content(mount.at("written"), "through the mount");
  mount.stop();
  EXPECT_EQ(content_of(mount.from("written")), "through the mount");
  ASSERT_EQ(::unlink(mount.from("written").c_str()), 0);
  EXPECT_EQ(first_difference(snapshot(mount.source()), before), "");
}

TEST_F(LifecycleTest, StartsQuicklyOverAHundredThousandFiles) {
  TestMount mount;
  for (int folder = 0; folder < 100; ++folder) {
    const std::string path = mount.from(base::text("folder-", folder));
    ASSERT_EQ(::mkdir(path.c_str(), 0755), 0);
    make_entries(path, 1000);
  }
  const auto before = std::chrono::steady_clock::now();
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_EQ(::access(mount.at("folder-99/model-999").c_str(), R_OK), 0);
  // Alone on a machine it takes 30 ms.
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(ARENACACHE_IS_SANITIZED ? 10 : 4));
}

TEST_F(LifecycleTest, SaysReadyToSystemdOnceMounted) {
  const TempDir dir;
  const std::string path = dir.path("notify");
  const UniqueFd listening(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0)
      << std::strerror(errno);
  TestMount mount({.environment = {"NOTIFY_SOCKET=" + path}});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  std::string heard;
  const auto hears = [&](const char* word) {
    return TestMount::wait_for([&] {
      std::array<char, 4096> buffer{};
      const ssize_t got = ::recv(listening.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got > 0) heard += std::string(buffer.data(), static_cast<std::size_t>(got)) + "\n";
      return heard.find(word) != std::string::npos;
    });
  };
  EXPECT_TRUE(hears("READY=1")) << heard;
  EXPECT_TRUE(hears("STATUS=")) << heard;
  mount.stop();
  EXPECT_TRUE(hears("STOPPING=1")) << heard;
}

class RefusalsTest : public MountTest {
 protected:
  /// Starts a daemon that must refuse: exit code 2, a sentence that names `word`, nothing mounted.
  static void expect_refused(const TestMount& folders, std::vector<std::string> flags, const std::string& word) {
    std::vector<std::string> command{daemon_program(), "--foreground", "--socket", folders.dir().path("other-socket")};
    command.insert(command.end(), flags.begin(), flags.end());
    const Finished refused = run_program(command, std::chrono::seconds(20));
    EXPECT_EQ(refused.exit_code, 2) << refused.output;
    EXPECT_NE(refused.output.find(word), std::string::npos) << refused.output;
    EXPECT_FALSE(is_mountpoint(folders.mountpoint()));
  }
};

TEST_F(RefusalsTest, WhatCannotBeMountedIsSaidInASentence) {
  const TestMount folders;
  const std::string missing = folders.dir().path("missing");
  expect_refused(folders, {"--source", missing, "--mount", folders.mountpoint(), "--store", folders.store()}, missing);
  expect_refused(folders, {"--source", folders.source(), "--mount", missing, "--store", folders.store()}, missing);
  expect_refused(folders,
                 {"--source", folders.source(), "--mount", folders.mountpoint(), "--store", folders.from("store")},
                 "store");
  expect_refused(folders, {"--source", folders.source(), "--mount", folders.mountpoint()}, "store");
  expect_refused(
      folders,
      {"--source", folders.source(), "--mount", folders.mountpoint(), "--store", folders.store(), "--capacity", "much"},
      "much");
  expect_refused(folders,
                 {"--source", folders.source(), "--mount", folders.mountpoint(), "--store", folders.store(),
                  "--cache-metadata-tll", "1s"},
                 "metadata-ttl");
  put_content(folders.at("not empty"), "abc");
  expect_refused(folders, {"--source", folders.source(), "--mount", folders.mountpoint(), "--store", folders.store()},
                 "empty");
}

TEST_F(RefusalsTest, SecondDaemonOnOneStoreIsRefused) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const TestMount second;
  const Finished refused = run_program({daemon_program(), "--foreground", "--socket", second.socket(), "--source",
                                        second.source(), "--mount", second.mountpoint(), "--store", mount.store()},
                                       std::chrono::seconds(30));
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_NE(refused.exit_code, -1) << "it went on";
  EXPECT_NE(refused.output.find(mount.store()), std::string::npos) << refused.output;
  EXPECT_FALSE(second.is_mounted());
  EXPECT_TRUE(mount.client().answers()) << "the first goes on";
}

}  // namespace
}  // namespace arenacache::test
