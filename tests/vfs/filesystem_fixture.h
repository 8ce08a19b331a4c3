// SPDX-License-Identifier: Apache-2.0
// FilesystemTest: a Filesystem over a real engine, an origin that hangs when told, and time that moves when told.
// Threads: one owner; answers come on the origin's. Never: waits for anything longer than twenty seconds.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <thread>

#include "arenacache/base/executor.h"
#include "arenacache/handover/area.h"
#include "filesystem.h"
#include "support/fake_origin.h"
#include "support/fake_page_cache.h"
#include "support/lender.h"
#include "support/matchers.h"
#include "support/simulated_clock.h"
#include "support/temp_dir.h"

namespace arenacache::vfs {

inline constexpr auto kPatience = std::chrono::milliseconds(100);
inline constexpr auto kTimeout = std::chrono::seconds(45);

class FilesystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.store.path = store_.path("store");
    config_.store.keep_free = {.bytes = 0, .percent = 0};
    config_.cache.patience = kPatience;
    config_.origin.timeout = kTimeout;
    config_.mounts = {{.name = "models",
                       .source = "/models",
                       .mountpoint = "/models",
                       .cache = config_.cache,
                       .fill = config_.fill,
                       .origin = config_.origin}};
    engine_ = test::must(
        cache::Engine::create(config_, {.clock = clock_, .io = io_, .background = pool_, .page_cache = page_cache_}));
    const auto source = engine_->add_source(config_.mounts[0], guard_);
    fs_ = std::make_shared<Filesystem>(
        MirrorOptions{.source = source, .mount = config_.mounts[0], .fuse = {}, .keeper = {}}, fresh_area(), *engine_,
        clock_);
  }

  void TearDown() override {
    origin_->open_all_gates();
    fs_->stop();
    guard_->stop();
    engine_->stop();
    pool_.stop();
  }

  /// What the promise was given; fails the test after twenty seconds.
  template <class T>
  static T get(std::promise<T>& promise) {
    auto future = promise.get_future();
    if (future.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
      ADD_FAILURE() << "no answer in twenty seconds";
      std::abort();
    }
    return future.get();
  }

  void await_recovery() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!fs_->origin_is_answering() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    ASSERT_TRUE(fs_->origin_is_answering());
  }

  test::SimulatedClock clock_;
  test::TempDir store_;
  base::PosixFileIo io_;
  test::FakePageCache page_cache_;
  base::ThreadPool pool_{"background", 2};
  config::Config config_;
  std::shared_ptr<test::FakeOrigin> origin_ = std::make_shared<test::FakeOrigin>(clock_);
  test::Lender lender_;
  std::shared_ptr<origin::GuardedOrigin> guard_ =
      std::make_shared<origin::GuardedOrigin>(lender_.lend(origin_), clock_, origin::GuardLimits{});
  std::unique_ptr<cache::Engine> engine_;
  FilesystemPtr fs_;

 private:
  static std::shared_ptr<handover::Area> fresh_area() {
    auto file = handover::Area::create();
    AC_CHECK(file.has_value());
    auto area = handover::Area::open(std::move(*file));
    AC_CHECK(area.has_value());
    return std::move(*area);
  }
};

}  // namespace arenacache::vfs
