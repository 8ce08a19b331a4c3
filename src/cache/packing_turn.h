// SPDX-License-Identifier: Apache-2.0
// PackingTurn: the right to make, move or unpack an object's packed copy, or to give it another data file: one at a time.
// Threads: any. Locks: the Object's, in passing.
#pragma once

#include <memory>
#include <utility>

#include "object.h"

namespace arenacache::cache {

class PackingTurn {
 public:
  /// Never blocks; is_ours() tells whether it came about.
  static PackingTurn try_for(std::shared_ptr<Object> object) {
    PackingTurn turn(std::move(object));
    const base::MutexLock lock(turn.object_->mutex);
    turn.is_ours_ = !std::exchange(turn.object_->is_packing, true);
    return turn;
  }
  /// Blocks until whoever has it is done or gives up, as all do when the engine stops. Not by who has another object's.
  static PackingTurn wait_for(std::shared_ptr<Object> object) {
    PackingTurn turn(std::move(object));
    base::MutexLock lock(turn.object_->mutex);
    while (turn.object_->is_packing) turn.object_->packing_ended.wait(lock);
    turn.object_->is_packing = true;
    turn.is_ours_ = true;
    return turn;
  }
  ~PackingTurn() {
    if (!is_ours_) return;
    const base::MutexLock lock(object_->mutex);
    object_->is_packing = false;
    object_->packing_ended.notify_all();
  }
  PackingTurn(const PackingTurn&) = delete;
  PackingTurn& operator=(const PackingTurn&) = delete;
  PackingTurn(PackingTurn&& other) noexcept
      : object_(std::move(other.object_)), is_ours_(std::exchange(other.is_ours_, false)) {}
  PackingTurn& operator=(PackingTurn&&) = delete;

  /// False: somebody else has it.
  [[nodiscard]] bool is_ours() const { return is_ours_; }
  [[nodiscard]] const std::shared_ptr<Object>& object() const { return object_; }

 private:
  explicit PackingTurn(std::shared_ptr<Object> object) : object_(std::move(object)) {}

  std::shared_ptr<Object> object_;
  bool is_ours_ = false;
};

}  // namespace arenacache::cache
