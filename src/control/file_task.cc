// SPDX-License-Identifier: Apache-2.0
#include "file_task.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "answers.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/text.h"

namespace arenacache::control {

using base::MutexLock;
using base::text;
using cache::Engine;
using cache::FileRef;
using cache::PrefetchState;
using cache::TierProgress;
using nlohmann::json;

namespace {

class FillTask final : public FileTask {
 public:
  FillTask(Engine& engine, cache::PrefetchTarget target) : engine_(engine), target_(target) {}

  [[nodiscard]] Words words() const override { return {.running = "filling", .bytes = "cached"}; }

  std::optional<TierProgress> begin(const FileRef& file) override {
    if (file.version.size == 0) return TierProgress{.state = PrefetchState::done, .reason = {}};
    if (engine_.prefetch(file, target_) || target_ == cache::PrefetchTarget::ram) return std::nullopt;
    if (engine_.mode() == config::CacheMode::active) return std::nullopt;
    return TierProgress{.state = PrefetchState::skipped,
                        .reason = text("the cache's mode is ", mode_word(engine_.mode()))};
  }

  [[nodiscard]] TierProgress progress(const FileRef& file) override {
    cache::PrefetchProgress now = engine_.prefetch_progress(file.source, file.path, target_);
    return {.state = now.state,
            .size_bytes = now.size_bytes,
            .done_bytes = now.cached_bytes,
            .reason = std::move(now.reason)};
  }

 private:
  Engine& engine_;
  const cache::PrefetchTarget target_;
};

class MoveTask final : public FileTask {
 public:
  MoveTask(Engine& engine, cache::TierTask task, std::string tier)
      : engine_(engine), task_(task), tier_(std::move(tier)) {}

  [[nodiscard]] Words words() const override {
    switch (task_) {
      case cache::TierTask::pack:
        return {.running = "packing", .bytes = "done"};
      case cache::TierTask::unpack:
        return {.running = "unpacking", .bytes = "done"};
      case cache::TierTask::move:
        break;
    }
    return {.running = "moving", .bytes = "done"};
  }

  std::optional<TierProgress> begin(const FileRef& file) override {
    if (engine_.start_tier_task(file.source, file.path, task_, tier_)) return std::nullopt;
    return engine_.tier_progress(file.source, file.path);
  }

  [[nodiscard]] TierProgress progress(const FileRef& file) override {
    return engine_.tier_progress(file.source, file.path);
  }

 private:
  Engine& engine_;
  const cache::TierTask task_;
  const std::string tier_;
};

class EstimateTask final : public FileTask {
 public:
  explicit EstimateTask(Engine& engine) : engine_(engine) {}

  [[nodiscard]] Words words() const override { return {.running = "estimating", .bytes = "done"}; }
  [[nodiscard]] bool has_work() const override { return true; }

  std::optional<TierProgress> begin(const FileRef& file) override {
    const MutexLock lock(mutex_);
    files_.push_back(file);
    return std::nullopt;
  }

  [[nodiscard]] TierProgress progress(const FileRef& file) override {
    const MutexLock lock(mutex_);
    const auto found = ended_.find({file.source, file.path});
    return found == ended_.end() ? TierProgress{.size_bytes = file.version.size, .reason = {}} : found->second;
  }

  void run(const std::stop_token& stop) override {
    for (std::size_t index = 0; !stop.stop_requested(); ++index) {
      FileRef file;
      {
        const MutexLock lock(mutex_);
        if (index == files_.size()) return;
        file = files_[index];
      }
      const base::Result<cache::PackEstimate> estimate = engine_.estimate(file, stop);
      const MutexLock lock(mutex_);
      ended_[{file.source, file.path}] = ended_as(file, estimate);
      if (estimate) add_row_locked(file, *estimate);
    }
  }

  void add_to(json& answer) override {
    const MutexLock lock(mutex_);
    answer["estimates"] = rows_;
    answer["totals"] = {{"files", total_files_},
                        {"size_bytes", total_.size_bytes},
                        {"packed_bytes", total_.packed_bytes},
                        {"sampled_bytes", total_.sampled_bytes}};
  }

 private:
  /// In one answer, which is bounded; the totals count all.
  static constexpr std::size_t kMostRows = 20'000;

  static TierProgress ended_as(const FileRef& file, const base::Result<cache::PackEstimate>& estimate) {
    if (estimate) {
      return {
          .state = PrefetchState::done, .size_bytes = file.version.size, .done_bytes = file.version.size, .reason = {}};
    }
    return {.state = PrefetchState::failed, .size_bytes = file.version.size, .reason = estimate.error().what};
  }

  void add_row_locked(const FileRef& file, const cache::PackEstimate& estimate) AC_REQUIRES(mutex_) {
    ++total_files_;
    total_.size_bytes += estimate.size_bytes;
    total_.packed_bytes += estimate.packed_bytes;
    total_.sampled_bytes += estimate.sampled_bytes;
    if (rows_.size() < kMostRows)
      rows_.push_back(estimate_answer(engine_.mount_of(file.source).name, file.path, estimate));
  }

  Engine& engine_;
  base::Mutex mutex_;
  std::vector<FileRef> files_ AC_GUARDED_BY(mutex_);
  std::map<std::pair<cache::SourceId, std::string>, TierProgress> ended_ AC_GUARDED_BY(mutex_);
  json rows_ AC_GUARDED_BY(mutex_) = json::array();
  std::uint64_t total_files_ AC_GUARDED_BY(mutex_) = 0;
  cache::PackEstimate total_ AC_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<FileTask> make_fill_task(Engine& engine, cache::PrefetchTarget target) {
  return std::make_unique<FillTask>(engine, target);
}

std::unique_ptr<FileTask> make_tier_task(Engine& engine, cache::TierTask task, std::string tier) {
  return std::make_unique<MoveTask>(engine, task, std::move(tier));
}

std::unique_ptr<FileTask> make_estimate_task(Engine& engine) { return std::make_unique<EstimateTask>(engine); }

}  // namespace arenacache::control
