// SPDX-License-Identifier: Apache-2.0
// EngineFixture: a real engine on a real (temporary) store with a FakeOrigin: time, trouble and counts are the test's.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/cache/engine.h"
#include "arenacache/origin/guarded_origin.h"
#include "arenacache/origin/local_origin.h"
#include "support/fake_origin.h"
#include "support/fake_page_cache.h"
#include "support/faulty_file_io.h"
#include "support/lender.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::cache {

inline constexpr std::uint64_t kMiB = base::kMiB;
/// A virtual disk was seen to hold every fsync up for half a minute.
inline constexpr auto kPatience = std::chrono::seconds(90);

/// The one answer of a read, to be waited for.
class Answer {
 public:
  ReadDone done() {
    return [state = state_](base::Result<ReadBytes> result) {
      const base::MutexLock lock(state->mutex);
      if (result) {
        const auto bytes = result->bytes;
        state->bytes = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      } else {
        state->error = result.error();
      }
      ++state->answers;
      state->arrived.notify_all();
    };
  }
  [[nodiscard]] bool is_answered() const {
    const base::MutexLock lock(state_->mutex);
    return state_->answers > 0;
  }
  /// The bytes; fails the test on an error or when nothing comes in time.
  std::string bytes() {
    wait();
    const base::MutexLock lock(state_->mutex);
    if (state_->error) ADD_FAILURE() << test::describe(*state_->error);
    return state_->bytes;
  }
  std::optional<base::Error> error() {
    wait();
    const base::MutexLock lock(state_->mutex);
    return state_->error;
  }

 private:
  struct State {
    base::Mutex mutex;
    base::CondVar arrived;
    int answers = 0;
    std::string bytes;
    std::optional<base::Error> error;
  };
  void wait() {
    const base::SystemClock clock;
    base::SystemClock waiting;
    const auto deadline = clock.now() + kPatience;
    base::MutexLock lock(state_->mutex);
    while (state_->answers == 0) {
      if (!waiting.wait_until(lock, state_->arrived, deadline) && state_->answers == 0) {
        ADD_FAILURE() << "no answer in time";
        return;
      }
    }
    EXPECT_EQ(state_->answers, 1);
  }

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

class EngineFixture : public ::testing::Test {
 protected:
  explicit EngineFixture(origin::Fidelity fidelity = test::FakeOrigin::disk_fidelity())
      : origin_(std::make_shared<test::FakeOrigin>(clock_, std::move(fidelity))) {
    config_.store.path = store_.path("store");
    config_.store.capacity = {.bytes = 256 * kMiB, .percent = 0};
    config_.store.keep_free = {.bytes = 0, .percent = 0};
    config_.cache.settle = std::chrono::nanoseconds(0);
    config_.cache.min_size = 0;
    config_.origin.timeout = std::chrono::seconds(10);
    config_.origin.read_timeout = std::chrono::seconds(30);
  }

  ~EngineFixture() override { stop(); }

  void start() {
    config_.mounts = {{.name = "models",
                       .source = "/models",
                       .mountpoint = "/models",
                       .cache = config_.cache,
                       .fill = config_.fill,
                       .origin = config_.origin}};
    await_end();
    pool_ = std::make_unique<base::ThreadPool>("background", 3);
    guard_ = std::make_shared<origin::GuardedOrigin>(lender_.lend(origin_), clock_, origin::GuardLimits{});
    engine_ = test::must(
        Engine::create(config_, {.clock = clock_, .io = io_, .background = *pool_, .page_cache = page_cache_}));
    source_ = engine_->add_source(config_.mounts[0], guard_);
    engine_->start();
  }

  void stop() {
    readers_.clear();
    origin_->open_all_gates();
    if (guard_) guard_->stop();
    if (engine_) engine_->stop();
    if (pool_) pool_->stop();
    if (engine_) engine_->check_invariants();
    engine_.reset();
    guard_.reset();
    pool_.reset();
  }

  /// A look that nobody waits for any more lets go of the stopped engine's core, and so of the store, a moment after it.
  void await_end() { lender_.await_all(); }

  void restart() {
    stop();
    start();
  }

  FileRef ref(const std::string& path) {
    return {.source = source_, .path = path, .version = origin::version_of(origin_->attributes(path))};
  }
  std::shared_ptr<Reader> open(const std::string& path, pid_t pid = 0) {
    auto reader = engine_->open({.file = ref(path), .pid = pid, .has_writer = false, .caller = nullptr});
    reader->note_opened(false);
    return reader;
  }
  static std::string read(Reader& reader, std::uint64_t offset, std::size_t length) {
    Answer answer;
    reader.read(offset, length, answer.done());
    return answer.bytes();
  }
  /// As `cat` reads: 128 KiB at a time.
  std::string read_all(const std::string& path) {
    const auto reader = open(path);
    std::string result;
    while (result.size() < reader->version().size) result += read(*reader, result.size(), 128 * base::kKiB);
    return result;
  }
  /// Waits for an event that background work brings about.
  static void eventually(const std::string& what, const std::function<bool()>& is_true) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!is_true()) {
      if (std::chrono::steady_clock::now() > deadline) {
        ADD_FAILURE() << "never: " << what;
        return;
      }
      ::poll(nullptr, 0, 1);  // what is waited for may run at idle priority
    }
  }
  void await_resident(const std::string& path) {
    eventually(path + " becomes resident", [&] {
      const auto objects = engine_->list(source_, path);
      return objects.size() == 1 && objects[0].state == ObjectState::resident && !objects[0].is_filling_now;
    });
    if (HasFailure()) ADD_FAILURE() << "what is known of it: " << describe(path);
  }
  std::string describe(const std::string& path) {
    const auto stats = engine_->stats();
    std::string text =
        base::text("fills ", stats.fills_active, " active, ", stats.fills_queued, " queued, ", stats.fills_completed,
                   " completed, ", stats.fills_failed, " failed; origin ", stats.origins[0].read_bytes, " bytes, ",
                   stats.origins[0].errors, " errors, ", stats.origins[0].timeouts, " timeouts; ");
    for (const auto& object : engine_->list(source_, path)) {
      text += base::text(object.path, object.state == ObjectState::resident ? " resident, " : " filling, ",
                         object.cached_bytes, " of ", object.size_bytes, object.is_filling_now ? " being filled" : "",
                         ", ", object.open_readers, " readers; ");
    }
    return text;
  }
  void await_quiet() {
    eventually("fills end", [&] {
      const auto stats = engine_->stats();
      return stats.fills_active == 0 && stats.fills_queued == 0;
    });
  }

  base::SystemClock clock_;
  test::TempDir store_;
  test::FaultyFileIo io_;
  test::FakePageCache page_cache_;
  std::shared_ptr<test::FakeOrigin> origin_;
  test::Lender lender_;
  config::Config config_;
  std::unique_ptr<base::ThreadPool> pool_;
  std::shared_ptr<origin::GuardedOrigin> guard_;
  std::unique_ptr<Engine> engine_;
  SourceId source_{};
  std::vector<std::shared_ptr<Reader>> readers_;
};

}  // namespace arenacache::cache
