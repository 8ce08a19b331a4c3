// SPDX-License-Identifier: Apache-2.0
// Packed files as programs see them: by any way of reading, while they are packed and unpacked, written, moved, or the worker dies.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mount/child_process.h"
#include "mount/model_folder.h"
#include "mount/worker_life.h"

namespace arenacache::test {
namespace {

using base::UniqueFd;

class PackedMountTest : public ModelTest {
 protected:
  /// Nothing in memory: what the kernel reads there by itself is packed_ram_test's.
  static MountOptions with_tier(const std::string& promote_after = "0") {
    return {.flags = {{"--tier-capacity", "512MiB"},
                      {"--ram-capacity", "0"},
                      {"--cache-promote-after", promote_after},
                      {"--daemon-crash-window", "0s"}}};
  }
  static void run(const TestMount& mount, const std::vector<std::string>& words) {
    const Finished done = mount.cli(words);
    EXPECT_EQ(done.exit_code, 0) << done.output;
  }
  static std::string state_of(const TestMount& mount, const std::string& name) {
    const auto object = mount.object(name);
    return object ? object->state : "not there";
  }
  static void make_packed(const TestMount& mount, const std::string& name, const Model& model) {
    ASSERT_NO_FATAL_FAILURE(make_resident(mount, name, model));
    run(mount, {"pack", "--wait", model.path});
    ASSERT_EQ(state_of(mount, name), "packed");
    drop_pages(model.path);
  }
  /// Reads `count` random pieces, of up to 300 KB.
  static ::testing::AssertionResult read_about(const Model& model, int count, std::uint64_t seed) {
    const UniqueFd fd(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) return ::testing::AssertionFailure() << std::strerror(errno);
    std::mt19937_64 random(seed);
    for (int n = 0; n < count; ++n) {
      const std::uint64_t offset = random() % model.size;
      const std::uint64_t length = 1 + random() % std::min<std::uint64_t>(300'000, model.size - offset);
      if (auto right = range_is(fd.get(), offset, length, model.pattern, 70'001); !right) return right;
    }
    return ::testing::AssertionSuccess();
  }
};

TEST_F(PackedMountTest, EveryWayOfReadingGivesTheSameBytesWithoutTheSource) {
  TestMount mount(with_tier());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  ASSERT_NO_FATAL_FAILURE(make_packed(mount, "model", model));
  const std::uint64_t read = origin_bytes_of(mount, [&] {
    EXPECT_TRUE(load_in_order(model));
    drop_pages(model.path);
    EXPECT_TRUE(in_threads(4, [&](int n) { return read_about(model, 30, static_cast<std::uint64_t>(n)); }));
    drop_pages(model.path);
    EXPECT_TRUE(load_mapped(model));
    drop_pages(model.path);
    EXPECT_TRUE(load_direct(model));
    EXPECT_TRUE(load_slices(model));
  });
  EXPECT_EQ(read, 0U);
  EXPECT_EQ(mount.stats().checksum_errors, 0U);
  EXPECT_EQ(mount.stats().store_errors, 0U);
}

TEST_F(PackedMountTest, AWriteARenameAndAnUnlinkAreOfTheFile) {
  TestMount mount(with_tier());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  Model model = add_model(mount, "model");
  ASSERT_NO_FATAL_FAILURE(make_packed(mount, "model", model));
  ASSERT_EQ(::rename(model.path.c_str(), mount.at("other").c_str()), 0);
  model.path = mount.at("other");
  EXPECT_EQ(state_of(mount, "other"), "packed");
  EXPECT_TRUE(load_in_order(model));

  const UniqueFd reader(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd writer(::open(model.path.c_str(), O_WRONLY | O_CLOEXEC));
  const std::string words = "other words";
  ASSERT_EQ(::pwrite(writer.get(), words.data(), words.size(), 5 * kMiB + 3), static_cast<ssize_t>(words.size()));
  std::string got(words.size(), ' ');
  ASSERT_EQ(::pread(reader.get(), got.data(), got.size(), 5 * kMiB + 3), static_cast<ssize_t>(got.size()));
  EXPECT_EQ(got, words) << "who has it open sees it at once";
  EXPECT_EQ(content_of(model.path), content_of(mount.from("other")));
  EXPECT_NE(state_of(mount, "other"), "packed");

  const Model second = add_model(mount, "second");
  ASSERT_NO_FATAL_FAILURE(make_packed(mount, "second", second));
  const UniqueFd held(::open(second.path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::unlink(second.path.c_str()), 0);
  EXPECT_TRUE(range_is(held.get(), 0, second.size, second.pattern)) << "an open file outlives its name";
  EXPECT_TRUE(TestMount::wait_for([&] { return state_of(mount, "second") == "not there"; }));
}

TEST_F(PackedMountTest, UsedAgainItIsTheKernelsAtTheNextOpenWhileAnOldMappingLives) {
  TestMount mount(with_tier("2"));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  if (!mount.stats().has_passthrough) GTEST_SKIP() << "no passthrough here";
  const Model model = add_model(mount, "model");
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "model", model));
  run(mount, {"pack", "--wait", model.path});
  drop_pages(model.path);
  const UniqueFd old(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  void* const at = ::mmap(nullptr, model.size, PROT_READ, MAP_PRIVATE, old.get(), 0);
  ASSERT_NE(at, MAP_FAILED);
  const std::span mapped(static_cast<const std::byte*>(at), model.size);
  EXPECT_TRUE(bytes_are(mapped.first(kMiB), 0, model.pattern));
  mount.wait_resident("model");
  const std::uint64_t before = mount.stats().opens_passthrough;
  EXPECT_TRUE(load_in_order(model));
  EXPECT_GT(mount.stats().opens_passthrough, before);
  EXPECT_TRUE(bytes_are(mapped, 0, model.pattern)) << "the old mapping reads on from the packed copy";
  ::munmap(at, model.size);
}

TEST_F(PackedMountTest, AWorkerThatIsKilledWhilePackingOrUnpackingCostsNoByte) {
  TestMount mount(with_tier());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "model", model));
  std::atomic<bool> stopping{false};
  std::atomic<int> rounds{0};
  ::testing::AssertionResult read = ::testing::AssertionSuccess();
  std::thread reader([&] {
    for (std::uint64_t seed = 1; !stopping.load() && read; ++seed) {
      drop_pages(model.path);
      read = read_about(model, 5, seed);
      ++rounds;
    }
  });
  for (int kill = 0; kill < 6; ++kill) {
    static_cast<void>(mount.cli({kill % 2 == 0 ? "pack" : "unpack", model.path}));
    const int seen = rounds.load();
    EXPECT_TRUE(TestMount::wait_for([&] { return rounds.load() > seen + kill % 3; }));
    const pid_t killed = kill_worker(mount);
    EXPECT_TRUE(is_back(mount, killed));
  }
  stopping.store(true);
  reader.join();
  EXPECT_TRUE(read);
  EXPECT_TRUE(load_in_order(model));
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "model", model));
  run(mount, {"pack", "--wait", model.path});
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(load_in_order(model)); }), 0U);
  EXPECT_EQ(mount.stats().checksum_errors, 0U);
}

/// A folder of another file system, which keeps what it has while it is not mounted.
class MountedFolder {
 public:
  MountedFolder() { std::filesystem::create_directory(path()); }
  ~MountedFolder() { unmount(); }
  MountedFolder(const MountedFolder&) = delete;
  MountedFolder& operator=(const MountedFolder&) = delete;
  [[nodiscard]] std::string path() const { return place_.path("disk"); }
  bool mount() {
    is_mounted_ = ::mount(disk_.path(".").c_str(), path().c_str(), nullptr, MS_BIND, nullptr) == 0;
    return is_mounted_;
  }
  void unmount() {
    if (!std::exchange(is_mounted_, false)) return;
    EXPECT_EQ(::umount2(path().c_str(), MNT_DETACH), 0);
  }

 private:
  const TempDir disk_{"/dev/shm"};
  const TempDir place_;
  bool is_mounted_ = false;
};

TEST_F(PackedMountTest, ATierWhoseDiskIsNotMountedIsThereAgainWithIt) {
  MountedFolder disk;
  if (!disk.mount()) GTEST_SKIP() << "cannot bind a folder: " << std::strerror(errno);
  MountOptions options = with_tier();
  options.flags["--tier-path"] = disk.path() + "/tier";
  TestMount mount(options);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model kept = add_model(mount, "kept");
  const Model evicted = add_model(mount, "evicted");
  ASSERT_NO_FATAL_FAILURE(make_packed(mount, "kept", kept));
  ASSERT_NO_FATAL_FAILURE(make_packed(mount, "evicted", evicted));
  mount.stop();
  disk.unmount();

  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_GT(origin_bytes_of(mount, [&] { EXPECT_TRUE(read_about(kept, 1, 1)); }), 0U);
  const Finished stats = mount.cli({"stats"});
  EXPECT_TRUE(stats.output.contains("is away") && stats.output.contains("2 files")) << stats.output;
  EXPECT_TRUE(mount.cli({"doctor"}).output.contains("mount its disk"));
  EXPECT_FALSE(std::filesystem::exists(disk.path() + "/tier/VERSION")) << "a tier was made below the mountpoint";
  run(mount, {"evict", evicted.path});
  mount.stop();

  ASSERT_TRUE(disk.mount());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_EQ(state_of(mount, "kept"), "packed");
  EXPECT_EQ(state_of(mount, "evicted"), "not there");
  drop_pages(kept.path);
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(load_in_order(kept)); }), 0U);
  mount.stop();
}

}  // namespace
}  // namespace arenacache::test
