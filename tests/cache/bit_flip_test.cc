// SPDX-License-Identifier: Apache-2.0
// Ten thousand random bits of the store are turned over while no daemon runs: no read is given one of them, and a scrub finds
// every block that has one. Many small files, so that there are many blocks.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>

#include "cache/engine_fixture.h"
#include "support/store_files.h"

namespace arenacache::cache {
namespace {

constexpr std::size_t kFiles = ARENACACHE_IS_SANITIZED ? 50 : 1000;
constexpr int kRounds = 10;

class BitFlipTest : public EngineFixture {
 protected:
  BitFlipTest() {
    io_.spare_the_disk();
    for (std::size_t file = 0; file < kFiles; ++file) {
      origin_->put_random(name_of(file), 4000 + file * 11 % 20'000, file);
      origin_->set_mtime(name_of(file), {.tv_sec = 1'700'000'000, .tv_nsec = 0});
    }
  }
  ~BitFlipTest() override { stop(); }

  static std::string name_of(std::size_t file) { return "m" + std::to_string(file); }

  void fill() {
    for (std::size_t file = 0; file < kFiles; ++file) engine_->prefetch(ref(name_of(file)));
    eventually("all is in the store", [&] { return engine_->stats().tiers[0].resident == kFiles; });
  }
  /// One bit of each block, with no daemon there.
  void flip_bits() {
    stop();
    const auto paths = test::raw_files(store_.path("store"));
    ASSERT_EQ(paths.size(), kFiles);
    for (const auto& path : paths) test::flip_unsynced_bit(path, random_() % (std::filesystem::file_size(path) * 8));
    start();
  }

  std::mt19937_64 random_{static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed())};
};

TEST_F(BitFlipTest, NoneIsServed) {
  start();
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    fill();
    ASSERT_NO_FATAL_FAILURE(flip_bits());
    for (std::size_t file = 0; file < kFiles && !HasFailure(); ++file) {
      EXPECT_TRUE(read_all(name_of(file)) == origin_->content(name_of(file))) << file;
    }
    EXPECT_EQ(engine_->stats().checksum_errors, kFiles);
  }
}

TEST_F(BitFlipTest, AllAreFoundByAScrub) {
  start();
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    fill();
    ASSERT_NO_FATAL_FAILURE(flip_bits());
    engine_->start_scrub();
    eventually("the scrub ends", [&] { return !engine_->scrub_state().is_active; });
    EXPECT_EQ(engine_->scrub_state().bad_blocks, kFiles);
  }
}

}  // namespace
}  // namespace arenacache::cache
