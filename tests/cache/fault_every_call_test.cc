// SPDX-License-Identifier: Apache-2.0
// Small lives of the engine, each of one thing that it does to the store, over a disk that fails, tears, fills up or dies at its
// n-th call, for every n. Every read gives the origin's bytes; the next life, on a sound disk, has nothing wrong and nothing left
// over. (Under a sanitizer some n, others each time.)
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "arenacache/base/text.h"
#include "cache/fault_fixture.h"

namespace arenacache::cache {
namespace {

using test::FileCall;

constexpr std::size_t kSize = kMiB + 5;
constexpr std::size_t kStep = ARENACACHE_IS_SANITIZED ? 50 : 1;

enum class Deed : std::uint8_t { fill, evict, invalidate, index };
enum class Trouble : std::uint8_t { fails, tears, fills_up, dies, fills_up_and_dies };

constexpr const char* name_of(Deed deed) {
  constexpr std::array kNames = {"Fill", "Evict", "Invalidate", "Index"};
  return kNames[static_cast<std::size_t>(deed)];
}
constexpr const char* name_of(Trouble trouble) {
  constexpr std::array kNames = {"Fails", "Tears", "FillsUp", "Dies", "FillsUpAndDies"};
  return kNames[static_cast<std::size_t>(trouble)];
}

class EveryCallTest : public FaultFixture, public ::testing::WithParamInterface<std::tuple<Deed, Trouble>> {
 protected:
  EveryCallTest() : FaultFixture({"a", "b", "moved"}, kSize) { origin_->erase("moved"); }
  ~EveryCallTest() override { stop(); }

  /// Two files alike, that are in the store unless the next life is to bring them there.
  void make_ready() override {
    // The machine may have died between two renames.
    if (origin_->exists("moved")) rename("moved", origin_->exists("a") ? "b" : "a", always);
    for (const char* path : {"a", "b"}) {
      if (origin_->attributes(path).st_mtim.tv_sec != kMtime.tv_sec) {
        engine_->open_for_writing(ref(path))->before_data_change();
        origin_->set_mtime(path, kMtime);
      }
      fill(path);
      if (deed() == Deed::fill) engine_->evict(source_, path);
    }
  }
  void live(const IsAlive& is_alive) override {
    switch (deed()) {
      case Deed::fill:
        fill("a");
        EXPECT_TRUE(read(*open("b"), 100, 5000) == origin_->content("b").substr(100, 5000));
        break;
      case Deed::evict:
        engine_->evict(source_, "a");
        overwrite("a", is_alive);
        expect_right("a");
        break;
      case Deed::invalidate:
        find_damage("a");
        overwrite("a", is_alive);
        expect_right("a");
        overwrite("b", is_alive);
        break;
      case Deed::index:
        // The names change hands: a name's row is the only thing that tells whose bytes they are.
        rename("a", "moved", is_alive);
        if (is_alive()) rename("b", "a", is_alive);
        if (is_alive()) rename("moved", "b", is_alive);
        engine_->pin(source_, "a");
        engine_->unpin(source_, "a");
        break;
    }
    stop();
  }
  void fill(const std::string& path) {
    expect_right(path);
    engine_->prefetch(ref(path));
    settle();
  }

  /// One life in which trouble comes with the `n`-th call; false: there were fewer.
  bool live_in_trouble(std::size_t n) {
    // The start is the same whatever follows: one deed has trouble in it too.
    const bool is_in_start = deed() == Deed::fill;
    if (!is_in_start) try_start();
    const std::size_t before = calls();
    const int error = n % 2 == 0 ? EIO : ENOSPC;
    switch (trouble()) {
      case Trouble::fails:
        io_.fail_nth(n, error);
        break;
      case Trouble::tears:
        io_.tear_nth_write(n, random_() % 5000, error);
        break;
      case Trouble::fills_up:
      case Trouble::fills_up_and_dies:
        for (const auto call : {FileCall::write_at, FileCall::allocate}) io_.fail_from(call, n, ENOSPC);
        break;
      case Trouble::dies:
        io_.fail_from(n, EIO);
        break;
    }
    const bool dies = trouble() == Trouble::dies;
    if (is_in_start) try_start();
    live([&] { return !dies || calls() - before < n; });
    if (dies && n % 2 == 0) io_.lose_some_unsynced(random_);
    if (dies || trouble() == Trouble::fills_up_and_dies) io_.lose_unsynced();
    return calls() - before >= n;
  }
  /// Calls that may be the n-th.
  [[nodiscard]] std::size_t calls() const {
    const bool is_any = trouble() == Trouble::fails || trouble() == Trouble::dies;
    return is_any ? io_.count() : io_.count(FileCall::write_at);
  }
  static Deed deed() { return std::get<Deed>(GetParam()); }
  static Trouble trouble() { return std::get<Trouble>(GetParam()); }

  std::mt19937_64 random_{static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed())};
};

TEST_P(EveryCallTest, CostsNoByte) {
  expect_sound();
  std::size_t n = 1 + random_() % kStep;
  for (bool is_reached = true; is_reached && !HasFailure(); n += kStep) {
    SCOPED_TRACE(base::text("call ", n));
    is_reached = live_in_trouble(n);
    io_.heal();
    expect_sound();
  }
  EXPECT_GT(n, 10U);
}

INSTANTIATE_TEST_SUITE_P(Store, EveryCallTest,
                         ::testing::Combine(::testing::Values(Deed::fill, Deed::evict, Deed::invalidate, Deed::index),
                                            ::testing::Values(Trouble::fails, Trouble::tears, Trouble::fills_up,
                                                              Trouble::dies, Trouble::fills_up_and_dies)),
                         [](const auto& about) {
                           return base::text(name_of(std::get<Deed>(about.param)),
                                             name_of(std::get<Trouble>(about.param)));
                         });

}  // namespace
}  // namespace arenacache::cache
