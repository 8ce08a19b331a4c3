// SPDX-License-Identifier: Apache-2.0
// A source that hangs, as a NAS whose cable was pulled: what is known goes on, what is not fails in time, all is well afterwards.
// The source is a mount of another daemon, whose worker is stopped. ARENACACHE_TEST_LONG=1: stalls of 40 s.
#include <poll.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "mount/hang.h"
#include "mount/model_folder.h"
#include "mount/outage.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kTimeout = 2s;

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

/// What somebody who may do nothing sees of the mount: modes, owners, links, times, and whose content is shown.
Transcript seen_by_nobody(const TestMount& mount) {
  Place place(mount.mountpoint());
  place.as_user(kNobody, kNobody, {}, [](Place& there) {
    there.note_stat("top", ".");
    for (const char* name : {"folder", "folder/lora-0", "folder/lora-1", "folder/other name", "model", "secret"}) {
      there.note_stat(name, name);
      there.note_times(name, name);
    }
    for (const char* name : {"model", "secret", "closed/file"}) there.note_content(name, name);
  });
  return place.transcript();
}

TEST_F(OutageTest, AfterACrashModesAndOwnersAreWhatTheyWere) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  // No group may do anything: whether there is an ACL is a question of its own.
  for (const char* name : {"", "folder", "closed"}) {
    if (*name == 'c') {
      ASSERT_EQ(::mkdir(nas_.from(name).c_str(), 0700), 0);
    }
    ASSERT_EQ(::chmod(nas_.from(name).c_str(), *name == 'c' ? 0700 : 0705), 0);
  }
  put_content(nas_.from("closed/file"), "closed");
  put_content(nas_.from("secret"), "secret");
  ASSERT_EQ(::chmod(nas_.from("secret").c_str(), 0600), 0);
  ASSERT_EQ(::chmod(nas_.from("model").c_str(), 0604), 0);
  ASSERT_EQ(::chown(nas_.from("folder/lora-0").c_str(), 1000, 100), 0);
  ASSERT_EQ(::link(nas_.from("folder/lora-1").c_str(), nas_.from("folder/other name").c_str()), 0);
  TestMount mount(over_nas());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "model", model_of(mount, "model")));
  const Transcript before = seen_by_nobody(mount);
  const pid_t worker = mount.worker();
  ASSERT_EQ(::kill(worker, SIGKILL), 0);
  ASSERT_TRUE(TestMount::wait_for([&] {
    const pid_t now = mount.client().pid();
    return now > 0 && now != worker;
  }));
  const Hang hang(nas_);
  EXPECT_EQ(first_difference(before, seen_by_nobody(mount)), "");
}

/// The kernel asks for the ACL of all that is root's before nobody gets at it.
class OutageForOthersTest : public OutageTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
    const std::string setfacl = find_program("setfacl");
    if (setfacl.empty()) GTEST_SKIP() << "there is no setfacl";
    OutageTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_EQ(::chmod(nas_.from("folder/lora-1").c_str(), 0600), 0);
    ASSERT_EQ(run_program({setfacl, "-m", "u:65534:---", nas_.from("folder/lora-2")}).exit_code, 0);
    ASSERT_EQ(::chmod(nas_.from("folder/lora-3").c_str(), 0640), 0);
    ASSERT_EQ(run_program({setfacl, "-m", "u:65534:r--", nas_.from("folder/lora-3")}).exit_code, 0);
  }

  /// Reads all as root; returns what nobody can do, while the source answers.
  static Transcript learn(const TestMount& mount) {
    static_cast<void>(tree_of(mount.mountpoint()));
    for (int file = 0; file < 4; ++file) {
      const std::string name = base::text("folder/lora-", file);
      EXPECT_FALSE(content_of(mount.at(name)).empty());
      mount.wait_resident(name);
    }
    const Transcript truth = as_nobody(mount);
    AC_CHECK(truth.size() >= 5);
    EXPECT_EQ(truth[0].find("ETIMEDOUT"), std::string::npos) << truth[0];
    EXPECT_NE(truth[1].find("EACCES"), std::string::npos) << truth[1];
    EXPECT_NE(truth[2].find("EACCES"), std::string::npos) << truth[2];
    EXPECT_EQ(truth[3].find("EACCES"), std::string::npos) << truth[3];
    return truth;
  }
  /// How reading each of the four ends, and a listing of their folder.
  static Transcript as_nobody(const TestMount& mount) {
    Place place(mount.mountpoint());
    place.as_user(kNobody, kNobody, {}, [](Place& there) {
      for (int file = 0; file < 4; ++file) there.note_content("lora", base::text("folder/lora-", file));
      there.note_listing("folder", "folder");
    });
    return place.transcript();
  }
};

TEST_F(OutageForOthersTest, WhoIsNotTheOwnerReadsOnAndIsStillRefused) {
  TestMount mount(over_nas());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Transcript truth = learn(mount);
  {
    const Hang hang(nas_);
    EXPECT_EQ(first_difference(as_nobody(mount), truth), "");
    EXPECT_EQ(look_up(mount.at("unknown")), ETIMEDOUT) << "so long it has lasted";
    EXPECT_EQ(first_difference(as_nobody(mount), truth), "") << "also once nothing is asked any more";
  }
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.stats().health == "up"; })) << mount.stats().text;
  EXPECT_EQ(first_difference(as_nobody(mount), truth), "");
}

TEST_F(OutageForOthersTest, AfterARestartWhatHasNoAclIsStillOpenAndWhatHasOneClosed) {
  MountOptions options = over_nas();
  options.flags["--cache-patience"] = "1s";  // no answer comes late, after the listings were written
  TestMount mount(options);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Transcript truth = learn(mount);
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  const Hang hang(nas_);
  const Transcript seen = as_nobody(mount);
  ASSERT_GE(seen.size(), 5U);
  EXPECT_EQ(seen[0], truth[0]);
  EXPECT_EQ(seen[1], truth[1]);
  EXPECT_NE(seen[2].find("ETIMEDOUT"), std::string::npos) << seen[2];
  EXPECT_NE(seen[3].find("ETIMEDOUT"), std::string::npos) << seen[3];
  EXPECT_EQ(seen[4], truth[4]);
}

}  // namespace
}  // namespace arenacache::test
