// SPDX-License-Identifier: Apache-2.0
// SharedParts: what all mounts of fuse_requests_fuzz have in common, as its start takes long: a scratch folder that is their source,
// something outside of it, a store and an engine as the daemon has them, an area.
// Threads: one; engine and origin have theirs. Owner: itself, until the process ends.
#pragma once

#include <sys/stat.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/file_io.h"
#include "arenacache/base/page_cache.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/cache/engine.h"
#include "arenacache/config/config.h"
#include "arenacache/handover/area.h"
#include "arenacache/origin/guarded_origin.h"
#include "support/temp_dir.h"

namespace arenacache::fuzz {

/// The value of what cannot fail here.
template <class T>
T must(base::Result<T> result) {
  AC_CHECK(result.has_value());
  return std::move(*result);
}

/// Waits for what another thread brings about; aborts when it does not.
void eventually(const std::function<bool()>& is_true);

class SharedParts {
 public:
  [[nodiscard]] static SharedParts& get();
  /// Nothing of them is there any more, as the process ends.
  [[nodiscard]] static bool have_ended() { return has_ended_; }
  ~SharedParts();
  SharedParts(const SharedParts&) = delete;
  SharedParts& operator=(const SharedParts&) = delete;

  [[nodiscard]] cache::Engine& engine() { return *engine_; }
  [[nodiscard]] cache::SourceId id() const { return id_; }
  [[nodiscard]] const config::Config& config() const { return config_; }
  [[nodiscard]] base::Clock& clock() { return clock_; }
  /// The folder's path.
  [[nodiscard]] const std::string& source() const { return source_; }

  /// The folder has the same files as ever.
  void lay_source() const;
  /// Writes a file of the folder, as another program would.
  void write(const std::string& name, const std::string& content) const;
  /// The area as no worker has written to it, which belongs to this object. But for the rooms of requests: to make their pages
  /// takes long, and what is in them nobody looks at.
  [[nodiscard]] int fresh_area() const;
  /// Aborts if something outside of the folder is other than it was, or was read.
  void check_outside() const;
  /// Aborts if the engine holds a file open, or bytes that nobody can read.
  void check_engine_is_idle();

 private:
  SharedParts();
  void lay_outside();
  void make_hole(std::size_t at, std::size_t bytes) const;
  [[nodiscard]] struct ::stat look(const char* name) const;

  static inline std::atomic<bool> has_ended_{false};
  static constexpr std::array kOutside{"", "outside", "outside/folder", "outside/secret"};

  const base::UniqueFd area_ = must(handover::Area::create());
  const test::TempDir top_;
  const test::TempDir store_;
  const std::string source_ = top_.path("source");
  std::array<struct ::stat, kOutside.size()> outside_{};
  config::Config config_;
  base::SystemClock clock_;
  base::PosixFileIo io_;
  base::KernelPageCache page_cache_;
  base::ThreadPool pool_{"background", 2};
  std::shared_ptr<origin::GuardedOrigin> guard_;
  std::unique_ptr<cache::Engine> engine_;
  cache::SourceId id_{};
};

/// Takes from this process what a request could do harm with outside of the folder, such as making devices. Call before there are
/// threads.
void give_up_rights();

}  // namespace arenacache::fuzz
