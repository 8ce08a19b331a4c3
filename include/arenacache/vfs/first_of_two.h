// SPDX-License-Identifier: Apache-2.0
// FirstOfTwo: one answer that two may cause: a result that comes some day, or somebody's patience that ends.
// Promises: `answer` runs exactly once if either comes: with the result, or with nothing when patience ended first; a result
// that comes after that goes to `late`. Owner: shared by the two. Threads: any, at once. Locks: none.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <utility>

namespace arenacache::vfs {

template <class T>
class FirstOfTwo {
 public:
  using Answer = std::move_only_function<void(std::optional<T>)>;
  using Late = std::move_only_function<void(T)>;

  FirstOfTwo(Answer answer, Late late) : answer_(std::move(answer)), late_(std::move(late)) {}

  /// The result is there. Call at most once. False: patience ended first, this was late.
  bool offer(T result) {
    if (!claim()) {
      late_(std::move(result));
      return false;
    }
    answer_(std::move(result));
    return true;
  }

  /// Patience has ended. False: the result was first.
  bool give_up() {
    if (!claim()) return false;
    // What the answer holds goes now, not when the result comes.
    Answer answer = std::move(answer_);
    answer(std::nullopt);
    return true;
  }

 private:
  bool claim() { return !claimed_.exchange(true, std::memory_order_acq_rel); }

  std::atomic<bool> claimed_{false};
  Answer answer_;
  Late late_;
};

}  // namespace arenacache::vfs
