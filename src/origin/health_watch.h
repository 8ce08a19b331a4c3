// SPDX-License-Identifier: Apache-2.0
// HealthWatch: keeps an origin's HealthRecord, probes the origin while that is in doubt, and tells of every change.
// Promises: one probe at a time is waited for (kProbeTimeout); at most kMostHanging more may hang. Changes are told in order,
// one by one. After stop() nothing is told and the clock is not touched.
// Threads: none while the origin is up. Else one that waits and tells, and one a probe, all detached, each sharing this object:
// a probe that never returns holds what it touches and nobody waits for it.
// Locks: its own mutex, a leaf (below LookPool's), never held while a probe or a listener runs.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/origin/health.h"
#include "arenacache/origin/origin.h"
#include "health_record.h"

namespace arenacache::origin {

class HealthWatch : public std::enable_shared_from_this<HealthWatch> {
 public:
  static constexpr std::chrono::seconds kProbeTimeout{10};
  static constexpr unsigned kMostHanging = 4;

  using Listener = std::move_only_function<void(const OriginHealth&)>;

  HealthWatch(std::shared_ptr<Origin> origin, base::Clock& clock);

  /// From now on `listener` hears of every change of health or is_answering. It must not block for long.
  void listen(Listener listener);

  [[nodiscard]] bool is_answering() const { return is_answering_.load(std::memory_order_relaxed); }
  [[nodiscard]] base::TimePoint recovered() const { return recovered_.load(std::memory_order_relaxed); }
  [[nodiscard]] OriginHealth health() const;
  /// What a call is told that is not made.
  [[nodiscard]] base::Error refusal() const;
  /// Probes that hang though nobody waits for them any more.
  [[nodiscard]] unsigned hanging() const;

  // What calls tell. Never block.
  void deadline_missed();
  void put_in_doubt();
  void call_came_back();
  void set_lost(unsigned threads);

  /// Waits for a listener that is being told (unless that one calls), not for probes. Idempotent.
  void stop();

 private:
  /// After every change of the record.
  void settle_locked() AC_REQUIRES(mutex_);
  [[nodiscard]] bool has_news_locked() const AC_REQUIRES(mutex_);
  /// When the watching thread has something to do next.
  [[nodiscard]] base::TimePoint next_due_locked() const AC_REQUIRES(mutex_);
  /// Does what is due now.
  void attend_locked(base::TimePoint now) AC_REQUIRES(mutex_);
  void abandon_probe_locked() AC_REQUIRES(mutex_);
  void watch();
  void probe(std::uint64_t number);
  void probed_locked(std::uint64_t number, const base::Result<void>& result) AC_REQUIRES(mutex_);

  const std::shared_ptr<Origin> origin_;
  base::Clock& clock_;
  std::atomic<bool> is_answering_{true};
  std::atomic<base::TimePoint> recovered_{base::TimePoint::min()};

  mutable base::Mutex mutex_;
  base::CondVar wake_;  ///< for the watching thread
  base::CondVar ended_;  ///< for stop()
  HealthRecord record_ AC_GUARDED_BY(mutex_);
  Listener listener_ AC_GUARDED_BY(mutex_);
  OriginHealth told_ AC_GUARDED_BY(mutex_);
  std::uint64_t probes_ AC_GUARDED_BY(mutex_) = 0;  ///< begun; the last one's number
  bool is_probing_ AC_GUARDED_BY(mutex_) = false;  ///< probe number probes_ is being waited for
  base::TimePoint probe_deadline_ AC_GUARDED_BY(mutex_);  ///< while is_probing_
  unsigned hanging_ AC_GUARDED_BY(mutex_) = 0;
  bool has_watch_ AC_GUARDED_BY(mutex_) = false;  ///< the watching thread lives
  bool is_stopped_ AC_GUARDED_BY(mutex_) = false;
};

}  // namespace arenacache::origin
