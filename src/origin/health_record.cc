// SPDX-License-Identifier: Apache-2.0
#include "health_record.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace arenacache::origin {

Health HealthRecord::now_is() const {
  if (!is_answering_ && has_probe_failed_) return Health::down;
  return is_answering_ && lost_ == 0 ? Health::up : Health::degraded;
}

void HealthRecord::note_change(base::TimePoint now) {
  const Health health = now_is();
  if (health == health_) return;
  health_ = health;
  since_ = now;
  if (health == Health::up) why_ = {};
}

void HealthRecord::deadline_missed(base::TimePoint now) {
  if (!is_answering_) return;
  is_answering_ = false;
  why_ = {.kind = base::ErrorKind::timeout, .errno_value = ETIMEDOUT, .what = "a call did not come back in time"};
  next_probe_ = std::max(next_probe_, now);
  note_change(now);
}

void HealthRecord::put_in_doubt(base::TimePoint now) {
  if (!is_answering_ || is_suspect_) return;
  is_suspect_ = true;
  next_probe_ = std::max(next_probe_, now);
}

void HealthRecord::call_came_back(base::TimePoint now) {
  if (!is_answering_) next_probe_ = std::min(next_probe_, now);
}

void HealthRecord::lost_threads(unsigned count, base::TimePoint now) {
  lost_ = count;
  note_change(now);
}

void HealthRecord::probe_succeeded(base::TimePoint now) {
  if (!is_answering_) recovered_ = now;
  is_answering_ = true;
  is_suspect_ = has_probe_failed_ = false;
  pause_ = kFirstPause;
  next_probe_ = now + kFirstPause;
  note_change(now);
}

void HealthRecord::probe_failed(base::Error why, base::TimePoint now) {
  is_answering_ = is_suspect_ = false;
  has_probe_failed_ = true;
  why_ = std::move(why);
  next_probe_ = now + pause_;
  pause_ = std::min<base::Duration>(pause_ * 2, kLongestPause);
  note_change(now);
}

OriginHealth HealthRecord::health() const {
  return {.health = health_, .since = since_, .is_answering = is_answering_, .why = why_};
}

base::TimePoint HealthRecord::probe_due() const {
  return is_answering_ && !is_suspect_ ? base::TimePoint::max() : next_probe_;
}

}  // namespace arenacache::origin
