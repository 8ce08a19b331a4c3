// SPDX-License-Identifier: Apache-2.0
// The whole engine over a disk that fails, tears or dies at its n-th call: one life that has everything, and a few n, others each
// time, or with ARENACACHE_TEST_LONG=1 every n. Smaller lives meet every n in fault_every_call_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "cache/fault_fixture.h"

namespace arenacache::cache {
namespace {

constexpr std::size_t kSize = 2 * kMiB + 5;
/// Runs of one kind of trouble when not all are wanted.
constexpr std::size_t kSomeRuns = ARENACACHE_IS_SANITIZED ? 5 : 15;

bool is_long() { return std::getenv("ARENACACHE_TEST_LONG") != nullptr; }  // NOLINT(concurrency-mt-unsafe)

class FaultTest : public FaultFixture {
 protected:
  FaultTest() : FaultFixture({"a", "b", "c", "d/e"}, kSize) {}
  ~FaultTest() override { stop(); }

  /// Everything a life has: fills, a part, an eviction, writes, a rename, an end.
  void live(const IsAlive& is_alive) override {
    ASSERT_TRUE(try_start()) << "a disk that fails keeps nobody from the source";
    for (const char* path : {"a", "c"}) expect_right(path);
    const auto part = origin_->content("b").substr(100, 200'000);
    EXPECT_TRUE(read(*open("b"), 100, 200'000) == part);
    settle();
    engine_->evict(source_, "a");
    overwrite("a", is_alive);
    overwrite("c", is_alive);
    expect_right("c");
    settle();
    overwrite("c", is_alive);
    expect_right("a");
    rename("d/e", "moved", is_alive);
    if (origin_->exists("moved")) rename("moved", "d/e", always);
    expect_right("d/e");
    overwrite("b", is_alive);
    expect_right("b");
    settle();
    stop();
  }
  /// What a life asks of the disk when all is well.
  std::size_t calls_of_a_life() {
    const std::size_t before = io_.count();
    live(always);
    return io_.count() - before;
  }
  /// Runs `run(n)` for every n, or some.
  void for_each_call(const std::function<void(std::size_t)>& run) {
    const std::size_t calls = calls_of_a_life();
    ASSERT_GT(calls, 100U);
    std::mt19937_64 random(static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed()));
    const std::size_t step = is_long() ? 1 : calls / kSomeRuns;
    for (std::size_t n = 1 + random() % step; n <= calls + step && !HasFailure(); n += step) {
      SCOPED_TRACE(base::text("call ", n, " of about ", calls));
      run(n);
      io_.heal();
      expect_sound();
    }
  }
};

TEST_F(FaultTest, OneCallThatFailsCostsNoByte) {
  for_each_call([this](std::size_t n) { live_with_a_failed_call(n); });
}

TEST_F(FaultTest, OneWriteThatIsTornCostsNoByte) {
  const std::size_t before = io_.count(test::FileCall::write_at);
  live(always);
  const std::size_t writes = io_.count(test::FileCall::write_at) - before;
  std::mt19937_64 random(static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed()));
  const std::size_t step = is_long() ? 1 : 1 + writes / kSomeRuns;
  for (std::size_t n = 1 + random() % step; n <= writes + 1 && !HasFailure(); n += step) {
    SCOPED_TRACE(base::text("write ", n, " of about ", writes));
    io_.tear_nth_write(n, random() % 5000, n % 2 == 0 ? EIO : ENOSPC);
    live(always);
    io_.heal();
    expect_sound();
  }
}

TEST_F(FaultTest, ADiskThatTakesNothingAnyMoreCostsNoByte) {
  for_each_call([&](std::size_t n) {
    for (const auto call : {test::FileCall::write_at, test::FileCall::allocate, test::FileCall::sync_data}) {
      io_.fail_from(call, 1 + n / 4, ENOSPC);
    }
    live(always);
  });
}

TEST_F(FaultTest, APowerCutAtAnyCallLosesNoInvalidation) {
  for_each_call([this](std::size_t n) { live_until_the_power_goes(n); });
}

}  // namespace
}  // namespace arenacache::cache
