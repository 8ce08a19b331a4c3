// SPDX-License-Identifier: Apache-2.0
#include "scrub_plan.h"

#include <algorithm>
#include <chrono>
#include <optional>

namespace arenacache::cache {
namespace {

constexpr base::Duration kAfterStart = std::chrono::minutes(15);
/// A store that is not trusted keeps files from the kernel, which programs feel.
constexpr base::Duration kSoon = std::chrono::minutes(1);

}  // namespace

std::optional<base::Duration> scrub_due_in(const ScrubPlan& plan, base::WallTime now, base::Duration uptime) {
  if (plan.interval <= base::Duration::zero()) return std::nullopt;
  if (plan.is_suspect) return std::min(kSoon, plan.interval);
  const base::Duration not_before = std::min(kAfterStart, plan.interval) - uptime;
  const base::Duration age = std::max(now - plan.last_finished, base::Duration::zero());
  const base::Duration due = plan.is_interrupted ? base::Duration::zero() : plan.interval - age;
  return std::max({due, not_before, base::Duration::zero()});
}

}  // namespace arenacache::cache
