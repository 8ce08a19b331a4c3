// SPDX-License-Identifier: Apache-2.0
#include "disk_speed.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "arenacache/base/units.h"
#include "cache/engine_fixture.h"
#include "support/matchers.h"
#include "support/simulated_clock.h"

namespace arenacache::cache {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// A disk that takes its time: `seek` for what is not behind the last read, and 1 s a `rate`.
class ModelDisk {
 public:
  ModelDisk(base::Duration seek, std::uint64_t rate) : seek_(seek), rate_(rate) {}

  DiskSpeed measured(std::uint64_t size = 64 * kMiB) {
    return test::must(measure_disk(clock_, size, [&](std::span<std::byte> out, std::uint64_t offset) {
      EXPECT_EQ(offset % 4096, 0U);
      EXPECT_LE(offset + out.size(), size);
      if (offset != next_) clock_.advance(seek_);
      clock_.advance(std::chrono::nanoseconds(out.size() * 1'000'000'000 / rate_));
      next_ = offset + out.size();
      ++reads_;
      return base::Result<void>();
    }));
  }
  [[nodiscard]] int reads() const { return reads_; }

 private:
  test::SimulatedClock clock_;
  const base::Duration seek_;
  const std::uint64_t rate_;
  std::uint64_t next_ = 0;
  int reads_ = 0;
};

DiskSpeed hard_disk() { return ModelDisk(milliseconds(9), 150 * kMiB).measured(); }
DiskSpeed sata_ssd() { return ModelDisk(microseconds(120), 500 * kMiB).measured(); }
DiskSpeed nvme() { return ModelDisk(microseconds(80), 3000 * kMiB).measured(); }

TEST(DiskSpeedTest, MeasuresRateAndLatency) {
  const DiskSpeed speed = ModelDisk(microseconds(500), 100 * kMiB).measured();
  EXPECT_NEAR(speed.bytes_per_second, 100e6 * 1.048576, 1e6);
  EXPECT_NEAR(static_cast<double>(speed.page_latency.count()), 539e3, 1e3);
}

TEST(DiskSpeedTest, IsAsFastWhereCopyingGainsNothing) {
  EXPECT_TRUE(is_as_fast(nvme(), nvme()));
  EXPECT_TRUE(is_as_fast(nvme(), sata_ssd()));
  EXPECT_TRUE(is_as_fast(sata_ssd(), sata_ssd()));
  EXPECT_FALSE(is_as_fast(sata_ssd(), nvme()));
  EXPECT_FALSE(is_as_fast(hard_disk(), sata_ssd()));
  // Some disks of many spindles stream as an SSD does, and seek as a hard disk does.
  EXPECT_FALSE(is_as_fast(ModelDisk(milliseconds(8), 600 * kMiB).measured(), sata_ssd()));
}

TEST(DiskSpeedTest, ADiskThatHardlyAnswersIsNotAskedLong) {
  ModelDisk disk(milliseconds(700), kMiB);
  disk.measured();
  EXPECT_LE(disk.reads(), 5);
}

TEST(DiskSpeedTest, AnErrorIsHandedOn) {
  const test::SimulatedClock clock;
  const auto failed = measure_disk(clock, kLeastSample, [](std::span<std::byte>, std::uint64_t) -> base::Result<void> {
    return base::fail(base::ErrorKind::store, EIO, "no");
  });
  EXPECT_TRUE(test::has_kind(failed, base::ErrorKind::store));
}

class OriginKindTest : public EngineFixture {
 protected:
  [[nodiscard]] bool is_fast() const { return engine_->stats().origins[0].is_fast; }
};

// The fake origin lies in memory: no disk is faster.
TEST_F(OriginKindTest, AFastSourceIsFoundAndNothingIsCopied) {
  config_.origin.kind = config::OriginKind::automatic;
  const std::string content = origin_->put_random("dir/model", 40 * kMiB, 1);
  start();
  eventually("it is found", [&] { return is_fast(); });
  EXPECT_TRUE(read_all("dir/model") == content);
  await_quiet();
  EXPECT_EQ(engine_->stats().fills_completed, 0U);
  const auto tier = engine_->stats().tiers[0];
  EXPECT_EQ(tier.objects, 0U);
  eventually("the sample is gone", [&] { return engine_->stats().tiers[0].used_bytes < kMiB; });
}

TEST_F(OriginKindTest, WithoutALargeFileOrRoomItCountsAsSlow) {
  config_.origin.kind = config::OriginKind::automatic;
  config_.store.capacity = {.bytes = 24 * kMiB, .percent = 0};
  const std::string content = origin_->put_random("model", 40 * kMiB, 1);
  start();
  ASSERT_TRUE(origin_->await_calls(test::OriginCall::read, 32));
  guard_->stop();
  pool_->stop();  // what was begun has ended
  EXPECT_FALSE(is_fast());
}

}  // namespace
}  // namespace arenacache::cache
