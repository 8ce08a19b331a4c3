// SPDX-License-Identifier: Apache-2.0
// FileTask: what a job does with each of its files: fill, pack, unpack, move, estimate.
// Threads: any, several at once. Owner: its job. Never: waits for the origin but in run().
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/cache/engine.h"

namespace arenacache::control {

class FileTask {
 public:
  FileTask() = default;
  FileTask(const FileTask&) = delete;
  FileTask& operator=(const FileTask&) = delete;
  virtual ~FileTask() = default;

  /// How answers name its state while it goes on, and the bytes that are done.
  struct Words {
    const char* running;
    const char* bytes;
  };
  [[nodiscard]] virtual Words words() const = 0;

  /// Begins with `file`. Nothing: progress() tells from now on; else how it ended at once.
  virtual std::optional<cache::TierProgress> begin(const cache::FileRef& file) = 0;
  [[nodiscard]] virtual cache::TierProgress progress(const cache::FileRef& file) = 0;

  /// What is left to do here once all files are known; true: run() does it, on a thread that has time.
  [[nodiscard]] virtual bool has_work() const { return false; }
  virtual void run(const std::stop_token& /*stop*/) {}
  /// Adds to the answer of a job that is done what it alone has.
  virtual void add_to(nlohmann::json& /*answer*/) {}
};

/// Copies files into the store, or into memory.
[[nodiscard]] std::unique_ptr<FileTask> make_fill_task(cache::Engine& engine, cache::PrefetchTarget target);
/// Packs, unpacks or moves objects. @param tier for TierTask::move.
[[nodiscard]] std::unique_ptr<FileTask> make_tier_task(cache::Engine& engine, cache::TierTask task, std::string tier);
/// Tells of each file what packing it would save.
[[nodiscard]] std::unique_ptr<FileTask> make_estimate_task(cache::Engine& engine);

}  // namespace arenacache::control
