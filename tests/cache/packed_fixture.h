// SPDX-License-Identifier: Apache-2.0
// PackedTest: an engine with one packed tier, in which nothing is packed or comes back unless asked.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "cache/engine_fixture.h"
#include "support/store_files.h"

namespace arenacache::cache {

inline constexpr std::size_t kSize = 5 * kMiB + 5;

class PackedTest : public EngineFixture {
 protected:
  PackedTest() {
    config_.cache.promote_after = 0;
    config_.pack.threads = 0;
    add_tier("packed");
  }
  void add_tier(const std::string& name, std::uint64_t capacity = 1000 * kMiB) {
    config_.tiers.push_back({.name = name,
                             .path = store_.path(name),
                             .capacity = {.bytes = capacity, .percent = 0},
                             .keep_free = {.bytes = 0, .percent = 0}});
  }
  std::string put(const std::string& path, std::size_t size = kSize) {
    return origin_->put_random(path, size, ++seed_);
  }
  void fill(const std::string& path) {
    EXPECT_TRUE(read_all(path) == origin_->content(path)) << path;
    engine_->prefetch(ref(path));
    await_resident(path);
  }
  TierProgress do_task(const std::string& path, TierTask task, const std::string& tier = {}) {
    engine_->start_tier_task(source_, path, task, tier);
    eventually(path + ": the task ends", [&] {
      const auto state = engine_->tier_progress(source_, path).state;
      return state != PrefetchState::queued && state != PrefetchState::filling;
    });
    return engine_->tier_progress(source_, path);
  }
  void pack(const std::string& path) {
    fill(path);
    const auto done = do_task(path, TierTask::pack);
    EXPECT_EQ(done.state, PrefetchState::done) << done.reason;
    EXPECT_EQ(done.done_bytes, done.size_bytes);
    EXPECT_EQ(info(path).state, ObjectState::packed);
  }
  ObjectInfo info(const std::string& path) {
    const auto objects = engine_->list(source_, path);
    if (objects.size() == 1) return objects[0];
    ADD_FAILURE() << path << ": " << objects.size() << " objects";
    return {};
  }
  [[nodiscard]] std::size_t manifests(const std::string& tier = "packed") const {
    return count_files(store_.path(tier) + "/objects", ".pack");
  }
  [[nodiscard]] std::size_t chunks(const std::string& tier = "packed") const {
    return count_files(store_.path(tier) + "/chunks", "");
  }
  [[nodiscard]] std::size_t raw_files() const { return test::raw_files(store_.path("store")).size(); }
  static std::size_t count_files(const std::string& folder, const std::string& extension) {
    std::size_t count = 0;
    if (!std::filesystem::exists(folder)) return 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file() && (extension.empty() || entry.path().extension() == extension)) ++count;
    }
    return count;
  }
  /// Reads it all, as a hit: the origin is not asked for a byte.
  void expect_hit(const std::string& path) {
    const std::string content = origin_->content(path);
    const std::uint64_t before = engine_->stats().origins[0].read_bytes;
    const auto reader = open(path);
    EXPECT_TRUE(reader->was_hit()) << path;
    for (const std::uint64_t offset : {std::uint64_t{0}, 5 * kMiB - 3, kMiB, content.size() - 7}) {
      EXPECT_TRUE(read(*reader, offset, 2 * kMiB) == content.substr(offset, 2 * kMiB)) << path << " at " << offset;
    }
    EXPECT_TRUE(read_all(path) == content) << path;
    EXPECT_EQ(engine_->stats().origins[0].read_bytes, before) << path;
  }

  std::uint64_t seed_ = 0;
};

}  // namespace arenacache::cache
