// SPDX-License-Identifier: Apache-2.0
// A life that packs, reads what is packed, unpacks, moves to another tier, renames, writes and evicts, over disks that fail, fill up or
// die at their n-th call: a few n, others each time, or with ARENACACHE_TEST_LONG=1 every n. Every read gives the origin's bytes; the
// next life, on sound disks, has nothing wrong and nothing left over.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

#include "cache/fault_fixture.h"

namespace arenacache::cache {
namespace {

constexpr std::size_t kSize = kMiB + 5;
class PackedFaultTest : public FaultFixture {
 protected:
  PackedFaultTest() : FaultFixture({"a", "b", "moved"}, kSize) {
    origin_->erase("moved");
    config_.mounts[0].cache.promote_after = 0;
    config_.pack.threads = 0;
    for (const char* name : {"packed", "next"}) {
      config_.tiers.push_back({.name = name,
                               .path = store_.path(name),
                               .capacity = {.bytes = 1000 * kMiB, .percent = 0},
                               .keep_free = {.bytes = 0, .percent = 0}});
    }
  }
  ~PackedFaultTest() override { stop(); }

  /// Waits for its end, whatever that is.
  void do_task(const std::string& path, TierTask task, const std::string& tier = {}) {
    engine_->start_tier_task(source_, path, task, tier);
    eventually(path + ": the task ends", [&] {
      const auto state = engine_->tier_progress(source_, path).state;
      return state != PrefetchState::queued && state != PrefetchState::filling;
    });
  }
  void live(const IsAlive& is_alive) override {
    ASSERT_TRUE(try_start()) << "a disk that fails keeps nobody from the source";
    expect_right("a");
    overwrite("a", is_alive);  // packed in an earlier life
    for (const char* path : {"a", "b"}) {
      fill(path);
      do_task(path, TierTask::pack);
      expect_right(path);
    }
    rename("a", "moved", is_alive);
    if (origin_->exists("moved")) rename("moved", "a", always);
    do_task("b", TierTask::move, "next");
    expect_right("b");
    do_task("b", TierTask::unpack);
    expect_right("b");
    overwrite("b", is_alive);  // resident, with a copy
    expect_right("b");
    engine_->evict(source_, "a");
    overwrite("a", is_alive);
    expect_right("a");
    fill("b");
    do_task("b", TierTask::pack);
    overwrite("b", is_alive);  // packed alone
    expect_right("b");
    stop();
  }
  void make_ready() override {
    if (origin_->exists("moved")) rename("moved", "a", always);
    fill("a");
    do_task("a", TierTask::pack);
  }
};

TEST_F(PackedFaultTest, OneCallThatFailsCostsNoByte) {
  for_each_call([this](std::size_t n) { live_with_a_failed_call(n); });
}

TEST_F(PackedFaultTest, DisksThatTakeNothingAnyMoreCostNoByte) {
  for_each_call([&](std::size_t n) {
    for (const auto call : {test::FileCall::write_at, test::FileCall::allocate, test::FileCall::sync_data}) {
      io_.fail_from(call, 1 + n / 4, ENOSPC);
    }
    live(always);
  });
}

TEST_F(PackedFaultTest, APowerCutAtAnyCallLosesNoInvalidation) {
  for_each_call([this](std::size_t n) { live_until_the_power_goes(n); });
}

}  // namespace
}  // namespace arenacache::cache
