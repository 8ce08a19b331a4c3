// SPDX-License-Identifier: Apache-2.0
#include "arenacache/origin/guarded_origin.h"

#include <utility>

#include "change_queues.h"
#include "look_pool.h"

namespace arenacache::origin {

GuardedOrigin::GuardedOrigin(std::shared_ptr<Origin> origin, base::Clock& clock, GuardLimits limits)
    : origin_(std::move(origin)),
      looks_(std::make_shared<LookPool>(origin_, clock, limits)),
      changes_(std::make_shared<ChangeQueues>(origin_, limits.change_threads)) {}

GuardedOrigin::~GuardedOrigin() { stop(); }

const Fidelity& GuardedOrigin::fidelity() const { return origin_->fidelity(); }

void GuardedOrigin::listen(const std::weak_ptr<ChangeListener>& listener) { origin_->listen(listener); }

void GuardedOrigin::change(std::span<const ChangeKey> keys, std::move_only_function<void(Origin&)> call) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  changes_->submit(keys, std::move(call));
}

unsigned GuardedOrigin::lost_threads() const { return looks_->lost(); }

void GuardedOrigin::stop() {
  looks_->stop();
  changes_->stop();
}

void GuardedOrigin::submit(std::chrono::nanoseconds timeout, std::shared_ptr<detail::Look> look) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  looks_->submit(timeout, std::move(look));
}

}  // namespace arenacache::origin
