// SPDX-License-Identifier: Apache-2.0
// A life in which two files share one file of the store, and lose one another again, over disks that fail, fill up or die at their n-th
// call: some n, others each time, or with ARENACACHE_TEST_LONG=1 every n. Every read gives the origin's bytes; the next life, on sound
// disks, has nothing wrong and nothing left over, and counts what it has.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cache/fault_fixture.h"

namespace arenacache::cache {
namespace {

constexpr std::size_t kSize = kMiB + 5;

class DedupFaultTest : public FaultFixture {
 protected:
  DedupFaultTest() : FaultFixture({"a", "b"}, kSize) {
    origin_->put("b", origin_->content("a"));
    for (const auto& path : files_) origin_->set_mtime(path, kMtime);
  }
  ~DedupFaultTest() override { stop(); }

  void await_compared() {
    eventually("all are compared", [&] { return engine_->stats().tiers[0].compares_due == 0; });
  }
  void live(const IsAlive& is_alive) override {
    ASSERT_TRUE(try_start()) << "a disk that fails keeps nobody from the source";
    for (const char* path : {"a", "b"}) fill(path);
    await_compared();
    for (const char* path : {"a", "b"}) expect_right(path);
    engine_->evict(source_, "a");
    expect_right("b");
    fill("a");
    await_compared();
    overwrite("b", is_alive);
    for (const char* path : {"a", "b"}) expect_right(path);
    stop();
  }
  /// Two files alike, neither of them in the store, or, every other time, both, as one.
  void make_ready() override {
    engine_->open_for_writing(ref("b"))->before_data_change();
    origin_->put("b", origin_->content("a"));
    for (const char* path : {"a", "b"}) {
      engine_->open_for_writing(ref(path))->before_data_change();
      origin_->set_mtime(path, kMtime);
    }
    is_full_ = !is_full_;
    if (!is_full_) return;
    for (const char* path : {"a", "b"}) fill(path);
    eventually("they share a file", [&] { return engine_->stats().tiers[0].shared_bytes > 0; });
    expect_counted();
  }
  /// What is said to be used is what the disk has, each file once.
  void expect_counted() {
    eventually("the accounts are right", [&] {
      std::vector<std::string> paths = test::raw_files(store_.path("store"));
      for (const char* part : {"index.db", "index.db-wal"}) paths.push_back(store_.path("store/") + part);
      std::map<ino_t, std::uint64_t> files;
      for (const auto& path : paths) {
        struct stat raw = {};
        if (::stat(path.c_str(), &raw) == 0) files[raw.st_ino] = static_cast<std::uint64_t>(raw.st_blocks) * 512;
      }
      std::uint64_t bytes = 0;
      for (const auto& [inode, size] : files) bytes += size;
      const auto used = engine_->stats().tiers[0].used_bytes;
      return used + kMiB / 2 > bytes && used < bytes + kMiB / 2;  // the index goes on, and sidecars are small
    });
  }

  bool is_full_ = true;
};

TEST_F(DedupFaultTest, OneCallThatFailsCostsNoByte) {
  for_each_call([this](std::size_t n) { live_with_a_failed_call(n); });
}

TEST_F(DedupFaultTest, DisksThatTakeNothingAnyMoreCostNoByte) {
  for_each_call([&](std::size_t n) {
    for (const auto call :
         {test::FileCall::write_at, test::FileCall::allocate, test::FileCall::link, test::FileCall::sync_directory}) {
      io_.fail_from(call, 1 + n / 4, ENOSPC);
    }
    live(always);
  });
}

TEST_F(DedupFaultTest, APowerCutAtAnyCallLosesNoInvalidation) {
  for_each_call([this](std::size_t n) { live_until_the_power_goes(n); });
}

}  // namespace
}  // namespace arenacache::cache
