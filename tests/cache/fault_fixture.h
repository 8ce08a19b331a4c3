// SPDX-License-Identifier: Apache-2.0
// FaultFixture: one store, on a disk whose calls are counted (the index's too), and one origin, through several lives of the
// engine. Files are known by their paths, and a write leaves size and mtime as they were: what the index was told is all that
// stands between a reader and old bytes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
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

inline origin::Fidelity blind_fidelity() {
  auto fidelity = test::FakeOrigin::disk_fidelity();
  fidelity.stable_inodes = false;
  fidelity.has_ctime = false;
  return fidelity;
}

/// Runs of one kind of trouble when not all are wanted.
inline constexpr std::size_t kFewRuns = ARENACACHE_IS_SANITIZED ? 2 : 10;

class FaultFixture : public EngineFixture {
 protected:
  /// Says whether the machine is still up.
  using IsAlive = std::function<bool()>;

  FaultFixture(std::vector<std::string> files, std::size_t size)
      : EngineFixture(blind_fidelity()), files_(std::move(files)), size_(size), sqlite_(io_) {
    io_.spare_the_disk();
    config_.mounts = {{.name = "models",
                       .source = "/models",
                       .mountpoint = "/models",
                       .cache = config_.cache,
                       .fill = config_.fill,
                       .origin = config_.origin}};
    for (const auto& path : files_) {
      origin_->put_random(path, size_, ++seed_);
      origin_->set_mtime(path, kMtime);  // as shards that were made in the same second
    }
  }
  ~FaultFixture() override { stop(); }

  static bool always() { return true; }

  /// False, with a failure that says why: it did not start. A disk that fails keeps nobody from the source.
  bool try_start() {
    await_end();
    pool_ = std::make_unique<base::ThreadPool>("background", 2);
    guard_ = std::make_shared<origin::GuardedOrigin>(lender_.lend(origin_), clock_, origin::GuardLimits{});
    auto engine =
        Engine::create(config_, {.clock = clock_, .io = io_, .background = *pool_, .page_cache = page_cache_});
    if (!engine) {
      ADD_FAILURE() << test::describe(engine.error());
      return false;
    }
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
        return object.cached_bytes < object.size_bytes || object.state != ObjectState::filling;
      });
    };
    eventually("the store is settled", is_settled);
  }
  void fill(const std::string& path) {
    expect_right(path);
    engine_->prefetch(ref(path));
    settle();
  }
  void expect_right(const std::string& path) {
    const std::string content = origin_->content(path);
    EXPECT_TRUE(read_all(path) == content) << path;
  }
  /// A life without its store can tell the index nothing: what it changes is a change behind the back of the next one.
  [[nodiscard]] bool has_store() const {
    const auto stats = engine_->stats();
    return stats.warning.find("cannot be used") == std::string::npos;
  }
  void make_newer(const std::string& path) {
    auto mtime = origin_->attributes(path).st_mtim;
    ++mtime.tv_sec;
    origin_->set_mtime(path, mtime);
  }
  /// A program writes through the mount: other bytes, and, as far as anybody can tell by looking, the same file.
  void overwrite(const std::string& path, const IsAlive& is_alive) {
    const auto before = origin_->attributes(path);
    const auto writer = engine_->open_for_writing(ref(path));
    writer->before_data_change();
    if (!is_alive()) return;  // the machine went down before the write
    origin_->put_random(path, size_, ++seed_);
    origin_->set_mtime(path, before.st_mtim);
    if (!has_store()) make_newer(path);
  }
  /// A program renames through the mount.
  void rename(const std::string& from, const std::string& to, const IsAlive& is_alive) {
    const auto moving = engine_->before_rename(source_, {.from = from, .to = to});
    if (!is_alive()) return;
    origin_->move(from, to);
    if (!has_store()) make_newer(to);
    engine_->renamed(source_, from, to, false);
    expect_right(to);
  }
  /// The store has wrong bytes of `path`, where it has any: whoever reads it finds out, and it is dropped.
  void find_damage(const std::string& path) {
    for (const auto& file : test::raw_files(store_.path("store"))) test::flip_unsynced_bit(file, 9);
    expect_right(path);
  }
  /// A life on a sound disk: right bytes, hits where there is something, no file that nobody has.
  void expect_sound() {
    ASSERT_TRUE(try_start());
    for (const auto& path : files_) {
      if (origin_->exists(path)) expect_right(path);
    }
    settle();
    const std::uint64_t pass = engine_->start_scrub().pass;
    eventually("the scrub ends", [&] { return !engine_->scrub_state().is_active; });
    EXPECT_EQ(engine_->scrub_state().pass, pass);
    EXPECT_EQ(engine_->scrub_state().failure, "");
    EXPECT_EQ(engine_->scrub_state().bad_blocks, 0U) << "what was wrong was found by who read it";
    const auto count = [&](const auto& has_file) {
      return static_cast<std::size_t>(std::ranges::count_if(engine_->list(source_, ""), has_file));
    };
    eventually("every file of the store is an object's", [&] {
      return test::raw_files(store_.path("store")).size() ==
             count([](const ObjectInfo& object) { return object.state != ObjectState::packed; });
    });
    if (HasFailure()) ADD_FAILURE() << contents();
    eventually("every manifest is an object's", [&] {
      std::size_t manifests = 0;
      for (const auto& tier : config_.tiers) manifests += test::packed_manifests(tier.path).size();
      return manifests == count([](const ObjectInfo& object) { return !object.tier.empty(); });
    });
    make_ready();
    stop();
  }
  /// The store's files and objects, a line each.
  std::string contents() {
    std::string out;
    for (const auto& path : test::raw_files(store_.path("store"))) out += path + '\n';
    for (const auto& object : engine_->list(source_, "")) {
      out += base::text(object.path, ": state ", std::to_underlying(object.state), ", ", object.cached_bytes, " of ",
                        object.size_bytes, " bytes\n");
    }
    return out;
  }
  /// Before a sound life ends: what the next one is to find.
  virtual void make_ready() {}
  /// The life that for_each_call() puts in trouble.
  virtual void live(const IsAlive& /*is_alive*/) {}
  /// A life whose n-th call fails.
  void live_with_a_failed_call(std::size_t n) {
    io_.fail_nth(n, n % 2 == 0 ? EIO : ENOSPC);
    live(always);
  }
  /// A life that ends at its n-th call, with the disk's unsynced bytes, or some of them.
  void live_until_the_power_goes(std::size_t n) {
    const std::size_t before = io_.count();
    io_.fail_from(n, EIO);
    live([&] { return io_.count() - before < n; });
    if (n % 2 == 0) {
      io_.lose_unsynced();
    } else {
      io_.lose_some_unsynced(random_);
    }
  }
  /// Runs `run(n)` for every n, or some, of the calls that a life makes.
  void for_each_call(const std::function<void(std::size_t)>& run) {
    expect_sound();
    const std::size_t before = io_.count();
    live(always);
    const std::size_t calls = io_.count() - before;
    ASSERT_GT(calls, 100U);
    expect_sound();
    std::mt19937_64 random(static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed()));
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it
    const std::size_t step = std::getenv("ARENACACHE_TEST_LONG") != nullptr ? 1 : calls / kFewRuns;
    for (std::size_t n = 1 + random() % step; n <= calls + step && !HasFailure(); n += step) {
      SCOPED_TRACE(base::text("call ", n, " of about ", calls));
      run(n);
      io_.heal();
      expect_sound();
    }
  }

  static constexpr timespec kMtime{.tv_sec = 1'700'000'000, .tv_nsec = 0};
  const std::vector<std::string> files_;  ///< that the origin may have
  const std::size_t size_;
  std::uint64_t seed_ = 0;
  std::mt19937_64 random_{static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed())};
  test::SqliteFileIo sqlite_;
};

}  // namespace arenacache::cache
