// SPDX-License-Identifier: Apache-2.0
// Lender: lends an object to threads that may outlive their owner's stop(), as an origin's may be lost in a call, and waits until all
// of them are done with it: until then they use what a test owns.
// Threads: any. Never: waits for ever.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <utility>

#include "arenacache/base/mutex.h"

namespace arenacache::test {

class Lender {
 public:
  Lender() = default;
  ~Lender() { await_all(); }
  Lender(const Lender&) = delete;
  Lender& operator=(const Lender&) = delete;

  /// The object, to be given away. It is back once the last copy of what is returned is gone.
  template <class T>
  std::shared_ptr<T> lend(std::shared_ptr<T> object) {
    {
      const base::MutexLock lock(state_->mutex);
      ++state_->lent;
    }
    T* const lent = object.get();
    return {lent, [object = std::move(object), state = state_](T*) mutable {
              object.reset();
              const base::MutexLock lock(state->mutex);
              --state->lent;
              state->changed.notify_all();
            }};
  }

  /// Fails the test if something is not back within `patience`.
  void await_all(std::chrono::seconds patience = std::chrono::seconds(90)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    base::MutexLock lock(state_->mutex);
    while (state_->lent > 0) {
      if (state_->changed.native().wait_until(lock.native(), deadline) != std::cv_status::timeout) continue;
      ADD_FAILURE() << "somebody still holds what a test lent, " << state_->lent << " times";
      return;
    }
  }

 private:
  struct State {
    base::Mutex mutex;
    base::CondVar changed;
    unsigned lent AC_GUARDED_BY(mutex) = 0;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace arenacache::test
