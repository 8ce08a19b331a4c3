// SPDX-License-Identifier: Apache-2.0
// OriginAsker: asks a guarded origin and waits for the answer, on a thread that has time.
// Promises: ask() returns at the latest at the look's deadline, and at once after stop() (ErrorKind::cancelled).
// Threads: any but FUSE threads. Locks: one mutex, never held while a call runs.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/origin/guarded_origin.h"

namespace arenacache::control {

class OriginAsker {
 public:
  /// `call` owns all it touches: it may run on after the deadline.
  template <class T>
  base::Result<T> ask(origin::GuardedOrigin& guarded, std::chrono::nanoseconds timeout,
                      origin::GuardedOrigin::Call<T> call);

  /// Ends what waits; every later ask() fails at once.
  void stop() {
    const base::MutexLock lock(shared_->mutex);
    shared_->is_stopped = true;
    shared_->changed.notify_all();
  }

  [[nodiscard]] bool is_stopped() const {
    const base::MutexLock lock(shared_->mutex);
    return shared_->is_stopped;
  }

 private:
  /// Outlives the asker: an answer may come after everybody stopped waiting.
  struct Shared {
    base::Mutex mutex;
    base::CondVar changed;
    bool is_stopped AC_GUARDED_BY(mutex) = false;
  };

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

template <class T>
base::Result<T> OriginAsker::ask(origin::GuardedOrigin& guarded, std::chrono::nanoseconds timeout,
                                 origin::GuardedOrigin::Call<T> call) {
  if (is_stopped()) return base::fail(base::ErrorKind::cancelled, ECANCELED, "the daemon is stopping");
  auto answer = std::make_shared<std::optional<base::Result<T>>>();  // guarded by shared_->mutex
  guarded.look<T>(timeout, std::move(call), [shared = shared_, answer](base::Result<T> result) {
    const base::MutexLock lock(shared->mutex);
    answer->emplace(std::move(result));
    shared->changed.notify_all();
  });
  base::MutexLock lock(shared_->mutex);
  while (!answer->has_value() && !shared_->is_stopped) shared_->changed.wait(lock);
  if (!answer->has_value()) return base::fail(base::ErrorKind::cancelled, ECANCELED, "the daemon is stopping");
  return std::move(**answer);
}

}  // namespace arenacache::control
