// SPDX-License-Identifier: Apache-2.0
#include "soak/ground.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>

#include "arenacache/base/mutex.h"
#include "arenacache/base/text.h"

namespace arenacache::test {

using base::text;

namespace {

/// An open looks at the source when its last look is 1 s old; the rest is for a machine that has other things to do.
constexpr auto kLag = std::chrono::seconds(30);
constexpr int kRefusedPauseMs = 20;  ///< whoever was refused does not ask again at once

}  // namespace

bool Ground::excuses(int error, Time begin) {
  if (error != ETIMEDOUT || !outages.any_since(begin)) return false;
  calls.count("call that failed in an outage");
  ::poll(nullptr, 0, kRefusedPauseMs);
  return true;
}

std::string Ground::set_mode(const std::string& mode) {
  const bool is_plain = mode != "active";
  if (is_plain && !plain.is_one_now()) plain.begin();
  std::string answer = mount.client().ask("mode", text("{\"mode\":\"", mode, "\"}"));
  if (!is_plain && plain.is_one_now()) plain.end();
  return answer;
}

std::size_t below(Random& random, std::size_t limit) {
  return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
}

void Outages::begin() {
  const base::MutexLock lock(mutex_);
  all_.push_back({Clock::now(), Time::max()});
}

void Outages::end() {
  const base::MutexLock lock(mutex_);
  all_.back().end = Clock::now();
}

bool Outages::any_since(Time time) const {
  const base::MutexLock lock(mutex_);
  return !all_.empty() && all_.back().end >= time;
}

Time Outages::seen_by(Time time) const {
  const base::MutexLock lock(mutex_);
  Time seen = time - kLag;
  for (auto outage = all_.rbegin(); outage != all_.rend() && outage->end >= seen; ++outage) {
    seen = std::min(seen, outage->begin - kLag);
  }
  return seen;
}

void CallLog::count(const std::string& kind, Clock::duration took) {
  const base::MutexLock lock(mutex_);
  Kind& entry = kinds_[kind];
  ++entry.count;
  entry.longest = std::max(entry.longest, took);
}

std::uint64_t CallLog::count_of(const std::string& kind) const {
  const base::MutexLock lock(mutex_);
  const auto found = kinds_.find(kind);
  return found == kinds_.end() ? 0 : found->second.count;
}

std::string CallLog::summary() const {
  const base::MutexLock lock(mutex_);
  std::string out;
  for (const auto& [kind, entry] : kinds_) {
    out += base::text(out.empty() ? "" : ", ", entry.count, ' ', kind);
    const auto longest = std::chrono::ceil<std::chrono::milliseconds>(entry.longest).count();
    if (longest > 0) out += base::text(" (at most ", longest, " ms)");
  }
  return out;
}

BusyPrograms::Round may_time_out(Ground& ground, const char* kind, BusyPrograms::Round round) {
  return [&ground, kind, round = std::move(round)](std::uint64_t number) {
    const Time begin = Clock::now();
    const std::string failure = ground.calls.timed(kind, [&] { return round(number); });
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the text of a number that all know
    const bool is_timeout = failure.contains("ETIMEDOUT") || failure.contains(std::strerror(ETIMEDOUT));
    if (failure.empty() || (is_timeout && ground.excuses(ETIMEDOUT, begin))) return std::string();
    return base::text(kind, ": ", failure);
  };
}

}  // namespace arenacache::test
