// SPDX-License-Identifier: Apache-2.0
#include "arenacache/origin/guarded_origin.h"

#include <utility>

#include "change_queues.h"
#include "health_watch.h"
#include "look_pool.h"

namespace arenacache::origin {

GuardedOrigin::GuardedOrigin(std::shared_ptr<Origin> origin, base::Clock& clock, GuardLimits limits)
    : origin_(std::move(origin)),
      health_(std::make_shared<HealthWatch>(origin_, clock)),
      looks_(std::make_shared<LookPool>(origin_, health_, clock, limits)),
      changes_(std::make_shared<ChangeQueues>(origin_, limits)) {}

GuardedOrigin::~GuardedOrigin() { stop(); }

const Fidelity& GuardedOrigin::fidelity() const { return origin_->fidelity(); }

void GuardedOrigin::listen(const std::weak_ptr<ChangeListener>& listener) { origin_->listen(listener); }

void GuardedOrigin::change(std::span<const ChangeKey> keys, std::move_only_function<void(Origin&)> call) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  changes_->submit(keys, std::move(call));
}

void GuardedOrigin::let_changes_go() { changes_->let_go(); }

unsigned GuardedOrigin::lost_threads() const { return looks_->lost() + health_->hanging(); }

OriginHealth GuardedOrigin::health() const { return health_->health(); }

bool GuardedOrigin::is_answering() const { return health_->is_answering(); }

base::TimePoint GuardedOrigin::recovered() const { return health_->recovered(); }

void GuardedOrigin::on_health_change(std::move_only_function<void(const OriginHealth&)> listener) {
  health_->listen(std::move(listener));
}

void GuardedOrigin::stop() {
  health_->stop();
  looks_->stop();
  changes_->stop();
}

void GuardedOrigin::submit(const LookTerms& terms, std::shared_ptr<detail::Look> look) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  looks_->submit(terms, std::move(look));
}

}  // namespace arenacache::origin
