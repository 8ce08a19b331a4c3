// SPDX-License-Identifier: Apache-2.0
// HealthRecord: what is known of an origin's health, and when it is to be probed next.
//   up        --deadline missed-->  degraded, not answering  --probe failed-->  down
//   up        --put in doubt, then probe failed-->  down
//   not answering  --probe succeeded-->  up, or degraded for as long as threads are lost
// Promises: pure; only a probe that succeeded makes an origin answer again. Probes are due at once, then 1 s after one that
// failed, doubling to 8 s: so an origin that fails fast is back within 10 s of healing.
// Threads: the owner's lock.
#pragma once

#include <chrono>

#include "arenacache/base/clock.h"
#include "arenacache/base/result.h"
#include "arenacache/origin/health.h"

namespace arenacache::origin {

class HealthRecord {
 public:
  static constexpr std::chrono::seconds kFirstPause{1};
  static constexpr std::chrono::seconds kLongestPause{8};

  explicit HealthRecord(base::TimePoint now) : since_(now) {}

  /// A call is over its time, and no other one came back lately.
  void deadline_missed(base::TimePoint now);
  /// A call came back in time with no answer (is_connection_error), or is over its time though others come back: no verdict on
  /// its own, but worth a probe.
  void put_in_doubt(base::TimePoint now);
  /// A call that was over its time came back: worth a probe at once.
  void call_came_back(base::TimePoint now);
  /// How many threads are inside calls that are over their time.
  void lost_threads(unsigned count, base::TimePoint now);
  void probe_succeeded(base::TimePoint now);
  void probe_failed(base::Error why, base::TimePoint now);

  [[nodiscard]] OriginHealth health() const;
  [[nodiscard]] bool is_answering() const { return is_answering_; }
  /// When it last began to answer again; TimePoint::min(): it never did not.
  [[nodiscard]] base::TimePoint recovered() const { return recovered_; }
  /// When the next probe is due; TimePoint::max(): none is.
  [[nodiscard]] base::TimePoint probe_due() const;

 private:
  [[nodiscard]] Health now_is() const;
  void note_change(base::TimePoint now);

  Health health_ = Health::up;
  base::TimePoint since_;
  base::TimePoint recovered_ = base::TimePoint::min();
  base::TimePoint next_probe_ = base::TimePoint::min();  ///< not before
  base::Error why_;
  bool is_answering_ = true;
  bool is_suspect_ = false;  ///< answering, but put_in_doubt() since the last probe
  bool has_probe_failed_ = false;  ///< since it last answered
  unsigned lost_ = 0;
  base::Duration pause_ = kFirstPause;  ///< after the next probe that fails
};

}  // namespace arenacache::origin
