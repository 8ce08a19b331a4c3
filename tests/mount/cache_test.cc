// SPDX-License-Identifier: Apache-2.0
// What a cache is for: what was read once costs the origin nothing again, whatever happened to its name meanwhile.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

class CacheTest : public ModelTest {};

TEST_F(CacheTest, EveryByteReadsEqualTheFirstAndTheSecondTime) {
  TestMount mount;
  constexpr std::array<std::uint64_t, 12> kSizes{
      0, 1, 4095, 4096, 4097, kMiB - 1, kMiB, kMiB + 1, 5 * kMiB + 3, 12 * kMiB, 16 * kMiB - 1, 33 * kMiB + 77};
  ASSERT_NO_FATAL_FAILURE(mount.start());
  for (int round = 0; round < 2; ++round) {
    for (std::size_t at = 0; at < kSizes.size(); ++at) {
      const std::string name = "model-" + std::to_string(at);
      if (round == 0) add_model(mount, name, kSizes.at(at), Pattern{at});
      EXPECT_TRUE(file_is(mount.at(name), kSizes.at(at), Pattern{at})) << "round " << round;
    }
    mount.wait_idle();
  }
}

TEST_F(CacheTest, SecondOpenCostsTheOriginNothing) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  const std::uint64_t first = origin_bytes_of(mount, [&] { make_resident(mount, "model", model); });
  EXPECT_GE(first, model.size);
  const Stats before = mount.stats();
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(load_in_order(model)); }), 0U);
  EXPECT_GT(mount.stats().opens_hit, before.opens_hit);
  EXPECT_EQ(mount.stats().checksum_errors, 0U);
}

TEST_F(CacheTest, PagesDroppedByTheKernelComeFromTheStore) {
  TestMount mount({.flags = {{"--fuse-passthrough", "off"}}});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  const base::UniqueFd fd(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::uint64_t from_origin = origin_bytes_of(mount, [&] {
    ASSERT_EQ(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    EXPECT_TRUE(range_is(fd.get(), 0, model.size, model.pattern));
  });
  EXPECT_EQ(from_origin, 0U);
  EXPECT_GT(mount.stats().reads_hit, 0U);
}

TEST_F(CacheTest, RenameChmodChownAndLinkKeepTheObject) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  const auto costs_nothing = [&](const char* deed) {
    SCOPED_TRACE(deed);
    EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(load_in_order(model)); }), 0U);
    EXPECT_TRUE(load_direct(model));
  };
  ASSERT_EQ(::chmod(model.path.c_str(), 0600), 0);
  costs_nothing("chmod");
  ASSERT_EQ(::chown(model.path.c_str(), ::getuid(), ::getgid()), 0);
  costs_nothing("chown");
  ASSERT_EQ(::rename(model.path.c_str(), mount.at("renamed").c_str()), 0);
  model.path = mount.at("renamed");
  costs_nothing("mv");
  ASSERT_EQ(::mkdir(mount.at("folder").c_str(), 0755), 0);
  ASSERT_EQ(::rename(model.path.c_str(), mount.at("folder/model").c_str()), 0);
  model.path = mount.at("folder/model");
  costs_nothing("mv to a folder");
  ASSERT_EQ(::rename(mount.at("folder").c_str(), mount.at("other").c_str()), 0);
  model.path = mount.at("other/model");
  costs_nothing("mv of its folder");
  ASSERT_EQ(::link(model.path.c_str(), mount.at("twin").c_str()), 0);
  costs_nothing("ln");
  EXPECT_EQ(mount.stats().evicted_objects, 0U);
}

TEST_F(CacheTest, RenamedObjectsAreHitsAfterARestart) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  ASSERT_EQ(::rename(model.path.c_str(), mount.at("renamed").c_str()), 0);
  model.path = mount.at("renamed");
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  EXPECT_EQ(mount.stats().resident, 1U);
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(load_in_order(model)); }), 0U);
}

TEST_F(CacheTest, ResidentObjectsAreHitsAfterARestart) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  for (int round = 0; round < 2; ++round) {
    ASSERT_NO_FATAL_FAILURE(mount.restart());
    EXPECT_TRUE(load_in_order(model));
    mount.wait_idle();
    EXPECT_EQ(mount.stats().origin_read_bytes, 0U);
    EXPECT_EQ(mount.stats().opens_hit, 1U);
  }
}

TEST_F(CacheTest, TwoReadersOfAColdFileCostItOnce) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model", 64 * kMiB);
  const std::uint64_t from_origin =
      origin_bytes_of(mount, [&] { EXPECT_TRUE(in_threads(2, [&](int) { return load_in_order(model); })); });
  EXPECT_LE(static_cast<double>(from_origin), 1.02 * static_cast<double>(model.size));
}

TEST_F(CacheTest, EightReadersAndACopierCostAFileOnce) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model", 64 * kMiB);
  const std::uint64_t from_origin = origin_bytes_of(mount, [&] {
    EXPECT_TRUE(in_threads(8, [&](int which) {
      const base::UniqueFd fd(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
      std::mt19937_64 random(static_cast<std::uint64_t>(which));
      ::testing::AssertionResult verdict = ::testing::AssertionSuccess();
      for (int read = 0; read < 300 && verdict; ++read) {
        verdict = range_is(fd.get(), random() % (model.size - 65'536), 65'536, model.pattern, 65'536);
      }
      return verdict;
    }));
    mount.wait_resident("model");
  });
  EXPECT_LE(static_cast<double>(from_origin), 1.02 * static_cast<double>(model.size));
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(load_in_order(model)); }), 0U);
}

TEST_F(CacheTest, FileOpenedColdAndKeptOpenIsAHitForTheNextOpen) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  const base::UniqueFd kept(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(range_is(kept.get(), 0, model.size, model.pattern));
  mount.wait_resident("model");
  const Stats before = mount.stats();
  const base::UniqueFd next(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(next.is_open());
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.stats().opens_hit == before.opens_hit + 1; }))
      << mount.stats().text;
  EXPECT_TRUE(range_is(next.get(), 0, model.size, model.pattern));
  ::posix_fadvise(kept.get(), 0, 0, POSIX_FADV_DONTNEED);
  EXPECT_TRUE(range_is(kept.get(), 0, model.size, model.pattern));
  EXPECT_EQ(mount.stats().origin_read_bytes, before.origin_read_bytes);
}

TEST_F(CacheTest, FillThatAStopInterruptedGoesOn) {
  TestMount mount({.flags = {{"--fill-bandwidth-limit", "8MiB"}}});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model", 96 * kMiB);
  EXPECT_TRUE(peek(model, 40 * kMiB, 8 * kMiB));
  ASSERT_TRUE(TestMount::wait_for([&] {
    const auto object = mount.object("model");
    return object && object->cached_bytes >= 16 * kMiB;
  })) << mount.client().ask("ls");
  ASSERT_NO_FATAL_FAILURE(mount.restart({{"--fill-bandwidth-limit", "0"}}));
  mount.wait_resident("model");
  EXPECT_LE(mount.stats().origin_read_bytes, model.size - 12 * kMiB) << "what was there was fetched again";
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(load_in_order(model)); }), 0U);
}

TEST_F(CacheTest, ModeOffAddsNothingAndUsesNothing) {
  TestMount mount({.flags = {{"--cache-mode", "off"}}});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  EXPECT_TRUE(load_in_order(model));
  mount.wait_idle();
  EXPECT_EQ(mount.stats().mode, "off");
  EXPECT_EQ(mount.stats().objects, 0U);
  EXPECT_TRUE(mount.store_files().empty());
}

TEST_F(CacheTest, ModeUseOnlyUsesWhatIsThereAndAddsNothing) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model cached = add_model(mount, "cached");
  const Model fresh = add_model(mount, "fresh", kModelSize, Pattern{2});
  make_resident(mount, "cached", cached);
  EXPECT_EQ(mount.cli({"mode", "use-only"}).exit_code, 0);
  EXPECT_EQ(mount.stats().mode, "use-only");
  EXPECT_TRUE(load_in_order(fresh));
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(load_in_order(cached)); }), 0U);
  EXPECT_EQ(mount.stats().objects, 1U);
  EXPECT_EQ(mount.cli({"mode", "active"}).exit_code, 0);
  make_resident(mount, "fresh", fresh);
}

TEST_F(CacheTest, PrefetchFillsBeforeAnybodyReads) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  ASSERT_EQ(::mkdir(mount.from("loras").c_str(), 0755), 0);
  const Model first = add_model(mount, "loras/one");
  const Model second = add_model(mount, "loras/two", kModelSize, Pattern{2});
  const Finished prefetch = mount.cli({"prefetch", "--wait", mount.at("loras")});
  EXPECT_EQ(prefetch.exit_code, 0) << prefetch.output;
  mount.wait_resident("loras/one");
  mount.wait_resident("loras/two");
  EXPECT_EQ(origin_bytes_of(mount,
                            [&] {
                              EXPECT_TRUE(load_in_order(first));
                              EXPECT_TRUE(load_in_order(second));
                            }),
            0U);
  EXPECT_EQ(mount.cli({"evict", "loras/one"}).exit_code, 0);
  EXPECT_FALSE(mount.object("loras/one").has_value());
  EXPECT_TRUE(load_in_order(first));
}

}  // namespace
}  // namespace arenacache::test
