// SPDX-License-Identifier: Apache-2.0
// A start after a crash, with many objects in the store: in bounded time, and with nothing lost.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>

#include "arenacache/store/index.h"
#include "arenacache/store/layout.h"
#include "arenacache/store/raw_tier.h"
#include "arenacache/store/rebuild.h"
#include "cache/engine_fixture.h"
#include "support/store_files.h"

namespace arenacache::cache {
namespace {

/// A start has two seconds; this is what it may have under a sanitizer, or on a machine that does other things as well.
constexpr auto kBound = std::chrono::seconds(ARENACACHE_IS_SANITIZED ? 60 : 20);

std::size_t object_count() {
  if (std::getenv("ARENACACHE_TEST_LONG") != nullptr) return 100'000;  // NOLINT(concurrency-mt-unsafe)
  return ARENACACHE_IS_SANITIZED ? 300 : 3000;
}

class CrashStartTest : public EngineFixture {
 protected:
  CrashStartTest() { io_.spare_the_disk(); }
  ~CrashStartTest() override { stop(); }

  /// Fills the store with `count` objects, row and sidecar and data, and ends without an end.
  void live_and_crash(std::size_t count) {
    stop();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) fill_and_exit(count);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }

 private:
  [[noreturn]] void fill_and_exit(std::size_t count) {
    const auto folder = test::must(store::open_store_folder(io_, config_.store.path));
    store::IndexContents contents;
    const auto index = test::must(store::Index::open(folder.index_path(), contents));
    const auto tier = test::must(store::RawTier::open(io_, folder.raw_path()));
    for (std::size_t object = 0; object < count; ++object) {
      store::Sidecar sidecar{.id = index->next_id(), .origin = {}, .resident = true, .blocks = store::BlockMap(100)};
      sidecar.origin = {.source = "models",
                        .path = "m" + std::to_string(object),
                        .file_system_id = 0xE4,
                        .inode = 1000 + object,
                        .size = 100,
                        .mtime_ns = 1,
                        .ctime_ns = 1};
      sidecar.blocks.set_present(0, object, true);
      test::must(test::must(tier->create(sidecar.id, 100))->sync());
      test::must(tier->write_sidecar(sidecar));
      index->put({.id = sidecar.id, .origin = sidecar.origin, .resident = true, .allocated_bytes = 4096});
    }
    test::must(index->sync());
    ::_exit(0);
  }
};

TEST_F(CrashStartTest, TakesBoundedTimeAndLosesNothing) {
  ASSERT_NO_FATAL_FAILURE(live_and_crash(object_count()));
  const auto begin = std::chrono::steady_clock::now();
  start();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kBound);
  EXPECT_EQ(engine_->stats().tiers[0].resident, object_count());
}

TEST_F(CrashStartTest, AlsoWhereTheIndexIsLost) {
  ASSERT_NO_FATAL_FAILURE(live_and_crash(object_count()));
  ASSERT_EQ(::unlink(store_.path("store/index.db").c_str()), 0);
  const auto begin = std::chrono::steady_clock::now();
  start();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kBound);
  EXPECT_EQ(engine_->stats().tiers[0].resident, object_count());
}

}  // namespace
}  // namespace arenacache::cache
