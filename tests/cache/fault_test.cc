// SPDX-License-Identifier: Apache-2.0
// The whole engine over a disk that fails, tears or dies at its n-th call, the index's calls included: fill, evict, invalidate,
// rename, start and end. Every read gives the origin's bytes; the next life, on a sound disk, has nothing wrong and nothing left over.
// A few n, others each time, or with ARENACACHE_TEST_LONG=1 every n.
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

#include "cache/engine_fixture.h"
#include "support/sqlite_file_io.h"
#include "support/store_files.h"

namespace arenacache::cache {
namespace {

constexpr std::size_t kSize = 2 * kMiB + 5;
/// Runs of one kind of trouble when not all are wanted.
constexpr std::size_t kSomeRuns = 15;

bool is_long() { return std::getenv("ARENACACHE_TEST_LONG") != nullptr; }  // NOLINT(concurrency-mt-unsafe)

/// Only size and mtime tell that data changed, and both may stay: what the index was told is all that stands between a reader
/// and old bytes.
origin::Fidelity blind_fidelity() {
  auto fidelity = test::FakeOrigin::disk_fidelity();
  fidelity.stable_inodes = false;
  fidelity.has_ctime = false;
  return fidelity;
}

/// One store and one origin, through several lives of the engine.
class FaultTest : public EngineFixture {
 protected:
  FaultTest() : EngineFixture(blind_fidelity()), sqlite_(io_) {
    io_.spare_the_disk();
    config_.mounts = {{.name = "models",
                       .source = "/models",
                       .mountpoint = "/models",
                       .cache = config_.cache,
                       .fill = config_.fill,
                       .origin = config_.origin}};
    for (const char* path : {"a", "b", "c", "d/e"}) origin_->put_random(path, kSize, ++seed_);
  }
  ~FaultTest() override { stop(); }

  /// False: the store could not be opened.
  bool try_start() {
    pool_ = std::make_unique<base::ThreadPool>("background", 2);
    guard_ = std::make_shared<origin::GuardedOrigin>(origin_, clock_, origin::GuardLimits{});
    auto engine =
        Engine::create(config_, {.clock = clock_, .io = io_, .background = *pool_, .page_cache = page_cache_});
    if (!engine) return false;
    engine_ = std::move(*engine);
    source_ = engine_->add_source(config_.mounts[0], guard_);
    engine_->start();
    return true;
  }

  /// Waits until what is whole is resident, or the store has failed at it.
  void settle() {
    const std::uint64_t errors = engine_->stats().store_errors;
    const auto is_settled = [&] {
      const auto stats = engine_->stats();
      if (stats.fills_active + stats.fills_queued > 0) return false;
      if (stats.store_errors > errors) return true;
      return std::ranges::all_of(engine_->list(source_, ""), [](const ObjectInfo& object) {
        return object.cached_bytes < object.size_bytes || object.state == ObjectState::resident;
      });
    };
    eventually("the store is settled", is_settled);
  }
  void expect_right(const std::string& path) {
    const std::string content = origin_->content(path);
    EXPECT_TRUE(read_all(path) == content) << path;
  }
  /// A program writes through the mount: other bytes, and, as far as anybody can tell by looking, the same file.
  void overwrite(const std::string& path, const std::function<bool()>& is_alive) {
    const auto before = origin_->attributes(path);
    const auto writer = engine_->open_for_writing(ref(path));
    writer->before_data_change();
    if (!is_alive()) return;  // the machine went down before the write
    origin_->put_random(path, kSize, ++seed_);
    auto mtime = before.st_mtim;
    // A life without its store can tell the index nothing: what it wrote is a change behind the back of the next one.
    if (!engine_->stats().warning.empty()) ++mtime.tv_sec;
    origin_->set_mtime(path, mtime);
  }
  /// Everything a life has: fills, a part, an eviction, writes, a rename, an end.
  void live(const std::function<bool()>& is_alive) {
    ASSERT_TRUE(try_start()) << "a disk that fails keeps nobody from the source";
    for (const char* path : {"a", "c"}) expect_right(path);
    const auto part = origin_->content("b").substr(100, 200'000);
    EXPECT_TRUE(read(*open("b"), 100, 200'000) == part);
    settle();
    engine_->evict(source_, "a");
    overwrite("c", is_alive);
    expect_right("c");
    settle();
    overwrite("c", is_alive);
    expect_right("a");
    if (is_alive()) {
      origin_->move("d/e", "moved");
      engine_->renamed(source_, "d/e", "moved", false);
      expect_right("moved");
      origin_->move("moved", "d/e");
      engine_->renamed(source_, "moved", "d/e", false);
    }
    expect_right("d/e");
    overwrite("b", is_alive);
    expect_right("b");
    settle();
    stop();
  }
  /// A life on a sound disk: right bytes, hits where there is something, no file that nobody has.
  void expect_sound() {
    ASSERT_TRUE(try_start());
    for (const char* path : {"a", "b", "c", "d/e"}) expect_right(path);
    settle();
    const std::uint64_t pass = engine_->start_scrub().pass;
    eventually("the scrub ends", [&] { return !engine_->scrub_state().is_active; });
    EXPECT_EQ(engine_->scrub_state().pass, pass);
    EXPECT_EQ(engine_->scrub_state().failure, "");
    EXPECT_EQ(engine_->scrub_state().bad_blocks, 0U) << "what was wrong was found by who read it";
    eventually("every file of the store is an object's",
               [&] { return test::raw_files(store_.path("store")).size() == engine_->list(source_, "").size(); });
    stop();
  }
  /// What a life asks of the disk when all is well.
  std::size_t calls_of_a_life() {
    const std::size_t before = io_.count();
    live([] { return true; });
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

  std::uint64_t seed_ = 0;
  test::SqliteFileIo sqlite_;
};

TEST_F(FaultTest, OneCallThatFailsCostsNoByte) {
  for_each_call([&](std::size_t n) {
    io_.fail_nth(n, n % 2 == 0 ? EIO : ENOSPC);
    live([] { return true; });
  });
}

TEST_F(FaultTest, OneWriteThatIsTornCostsNoByte) {
  const std::size_t before = io_.count(test::FileCall::write_at);
  live([] { return true; });
  const std::size_t writes = io_.count(test::FileCall::write_at) - before;
  std::mt19937_64 random(static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed()));
  const std::size_t step = is_long() ? 1 : 1 + writes / kSomeRuns;
  for (std::size_t n = 1 + random() % step; n <= writes + 1 && !HasFailure(); n += step) {
    SCOPED_TRACE(base::text("write ", n, " of about ", writes));
    io_.tear_nth_write(n, random() % 5000, n % 2 == 0 ? EIO : ENOSPC);
    live([] { return true; });
    io_.heal();
    expect_sound();
  }
}

TEST_F(FaultTest, ADiskThatTakesNothingAnyMoreCostsNoByte) {
  for_each_call([&](std::size_t n) {
    for (const auto call : {test::FileCall::write_at, test::FileCall::allocate, test::FileCall::sync_data}) {
      io_.fail_from(call, 1 + n / 4, ENOSPC);
    }
    live([] { return true; });
  });
}

TEST_F(FaultTest, APowerCutAtAnyCallLosesNoInvalidation) {
  std::mt19937_64 random(static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed()));
  for_each_call([&](std::size_t n) {
    const std::size_t before = io_.count();
    io_.fail_from(n, EIO);
    live([&] { return io_.count() - before < n; });
    if (n % 2 == 0) {
      io_.lose_unsynced();
    } else {
      io_.lose_some_unsynced(random);
    }
  });
}

}  // namespace
}  // namespace arenacache::cache
