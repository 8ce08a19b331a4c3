// SPDX-License-Identifier: Apache-2.0
// The store's budget: never exceeded, the least used goes first, what is open or pinned stays, and a full store never makes
// a read fail.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

constexpr std::uint64_t kSize = 16 * kMiB;

std::string name_of(std::uint64_t index) { return "model-" + std::to_string(index); }

/// Looks again and again at what a store takes, by its own word and by the disk's, until it is destroyed.
class Watch {
 public:
  Watch(const TestMount& mount, std::uint64_t capacity)
      : thread_([this, &mount, capacity] {
          while (!is_over_) {
            const auto stats = mount.client().stats();
            if (stats) most_told_ = std::max<std::uint64_t>(most_told_, stats->used_bytes);
            most_on_disk_ = std::max<std::uint64_t>(most_on_disk_, allocated_below(mount.store()));
            if (most_told_ > capacity || most_on_disk_ > capacity) return;
          }
        }) {}
  ~Watch() { end(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void end() {
    is_over_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] std::uint64_t most_told() const { return most_told_; }
  [[nodiscard]] std::uint64_t most_on_disk() const { return most_on_disk_; }

 private:
  std::atomic<bool> is_over_{false};
  std::atomic<std::uint64_t> most_told_{0};
  std::atomic<std::uint64_t> most_on_disk_{0};
  std::thread thread_;
};

class LimitsTest : public ModelTest {
 protected:
  static Model add(const TestMount& mount, std::uint64_t index) {
    return add_model(mount, name_of(index), kSize, Pattern{index});
  }
  static bool is_resident(const TestMount& mount, std::uint64_t index) {
    const auto object = mount.object(name_of(index));
    return object && object->state == "resident";
  }
};

TEST_F(LimitsTest, CapacityIsNeverExceededWhile20ObjectsPassThroughRoomFor5) {
  constexpr std::uint64_t kCapacity = 5 * kSize + 8 * kMiB;
  TestMount mount({.capacity = std::to_string(kCapacity)});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  Watch watch(mount, kCapacity);
  for (std::uint64_t index = 0; index < 20; ++index) {
    const Model model = add(mount, index);
    ASSERT_TRUE(load_in_order(model));
    if (index % 3 == 0) mount.wait_resident(name_of(index));
  }
  EXPECT_TRUE(in_threads(4, [&](int which) {
    const auto index = static_cast<std::uint64_t>(which) * 5;
    return load_in_order({.path = mount.at(name_of(index)), .size = kSize, .pattern = Pattern{index}});
  }));
  mount.wait_idle();
  watch.end();
  EXPECT_LE(watch.most_told(), kCapacity);
  EXPECT_LE(watch.most_on_disk(), kCapacity);
  EXPECT_GE(watch.most_told(), 3 * kSize) << "the room is used";
  EXPECT_GT(mount.stats().evicted_objects, 0U);
  EXPECT_EQ(mount.stats().capacity_bytes, kCapacity);
}

TEST_F(LimitsTest, LeastRecentlyUsedGoesFirst) {
  TestMount mount({.capacity = std::to_string(3 * kSize + 8 * kMiB)});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  std::vector<Model> models;
  models.reserve(4);
  for (std::uint64_t index = 0; index < 4; ++index) models.emplace_back(add(mount, index));
  for (std::uint64_t index = 0; index < 3; ++index) make_resident(mount, name_of(index), models.at(index));
  EXPECT_TRUE(load_in_order(models.at(0)));
  make_resident(mount, name_of(3), models.at(3));
  EXPECT_TRUE(is_resident(mount, 0));
  EXPECT_FALSE(mount.object(name_of(1)).has_value());
  EXPECT_TRUE(is_resident(mount, 2));
}

TEST_F(LimitsTest, OpenAndPinnedObjectsStay) {
  TestMount mount({.capacity = std::to_string(3 * kSize + 8 * kMiB)});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model open = add(mount, 0), pinned = add(mount, 1);
  make_resident(mount, name_of(0), open);
  make_resident(mount, name_of(1), pinned);
  const base::UniqueFd fd(::open(open.path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(mount.cli({"pin", pinned.path}).exit_code, 0);
  for (std::uint64_t index = 2; index < 6; ++index) make_resident(mount, name_of(index), add(mount, index));
  EXPECT_TRUE(is_resident(mount, 0));
  EXPECT_TRUE(is_resident(mount, 1));
  EXPECT_TRUE(mount.object(name_of(1))->pinned);
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(range_is(fd.get(), 0, kSize, open.pattern)); }), 0U);
  EXPECT_EQ(mount.cli({"unpin", pinned.path}).exit_code, 0);
}

TEST_F(LimitsTest, WhenOpenObjectsFillTheStoreOthersAreServedWithoutFillingAndTheOwnerIsTold) {
  TestMount mount({.capacity = std::to_string(2 * kSize + 8 * kMiB)});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  std::vector<base::UniqueFd> held;
  for (std::uint64_t index = 0; index < 2; ++index) {
    const Model model = add(mount, index);
    make_resident(mount, name_of(index), model);
    held.emplace_back(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  const Model other = add(mount, 2);
  EXPECT_TRUE(load_in_order(other));
  EXPECT_TRUE(load_in_order(other));
  mount.wait_idle();
  EXPECT_TRUE(is_resident(mount, 0));
  EXPECT_TRUE(is_resident(mount, 1));
  EXPECT_FALSE(is_resident(mount, 2));
  EXPECT_NE(mount.stats().text.find("hold"), std::string::npos) << mount.stats().text;
  held.clear();
  EXPECT_TRUE(TestMount::wait_for([&] {
    EXPECT_TRUE(load_direct(other));
    return is_resident(mount, 2);
  })) << "there is room again";
}

TEST_F(LimitsTest, FileLargerThanTheStoreIsReadFromTheOrigin) {
  TestMount mount({.capacity = "16MiB"});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "large", 40 * kMiB);
  const Model small = add_model(mount, "small", 6 * kMiB, Pattern{2});
  make_resident(mount, "small", small);
  EXPECT_TRUE(load_in_order(model));
  EXPECT_TRUE(load_mapped(model));
  mount.wait_idle();
  EXPECT_TRUE(mount.object("small").has_value()) << "it was not thrown out for one that does not fit";
  EXPECT_LE(mount.stats().used_bytes, 16 * kMiB);
}

TEST_F(LimitsTest, StoreFolderThatIsTakenAwayCostsNoRead) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model first = add(mount, 0);
  make_resident(mount, name_of(0), first);
  for (const auto& file : mount.store_files()) ASSERT_EQ(::unlink(file.c_str()), 0);
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  EXPECT_TRUE(load_in_order(first));
  EXPECT_TRUE(load_in_order(add(mount, 1)));
}

TEST_F(LimitsTest, CorruptStoreFileIsNeverServedByTheDaemon) {
  TestMount mount({.flags = {{"--fuse-passthrough", "off"}}});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add(mount, 0);
  make_resident(mount, name_of(0), model);
  mount.stop();
  for (const auto& file : mount.store_files()) {
    const base::UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(fd.get(), "rotten", 6, 5 << 20), 6);
  }
  ASSERT_NO_FATAL_FAILURE(mount.start());
  EXPECT_TRUE(load_in_order(model));
  EXPECT_GT(mount.stats().checksum_errors, 0U);
}

}  // namespace
}  // namespace arenacache::test
