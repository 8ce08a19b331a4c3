// SPDX-License-Identifier: Apache-2.0
// Ground: what all programs of a soak share: the mount, what they called and how long that took, and when its source was away.
// Promises: a call that failed while the source did not answer can be told from one that had no right to.
// Threads: any, but Outages::begin() and end(): one. Never: touches the mount, but to switch its mode.
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/mutex.h"
#include "mount/busy_programs.h"
#include "mount/patterns.h"
#include "mount/test_mount.h"

namespace arenacache::test {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using Random = std::mt19937_64;

/// Of the store's index: what the daemon does not count at once.
inline constexpr std::uint64_t kIndexGrowth = kMiB;
/// What its log may grow to after kills, of which a store this small leaves room for a third.
inline constexpr std::uint64_t kIndexLog = 4 * kMiB;
/// A larger file may be read by the kernel itself, from the store.
inline constexpr std::uint64_t kMostServed = 4 * kMiB;
/// Patterns that one file has for its versions: file n has those from n times this on.
inline constexpr std::uint64_t kVersionsOfAFile = 1 << 18;
inline constexpr std::size_t kRead = 256 << 10;

/// A number below `limit`.
std::size_t below(Random& random, std::size_t limit);
inline bool is_one_in(Random& random, std::size_t count) { return below(random, count) == 0; }

/// When the source did not answer, or something else was amiss.
class Outages {
 public:
  void begin();
  /// It answers again, and the daemon has seen that.
  void end();
  /// Whether one began, or went on, after `time`.
  [[nodiscard]] bool any_since(Time time) const;
  [[nodiscard]] bool is_one_now() const { return any_since(Time::max()); }
  /// What changed behind the mount's back before this must be seen by who opens at `time`.
  [[nodiscard]] Time seen_by(Time time) const;

 private:
  struct Outage {
    Time begin, end;
  };
  mutable base::Mutex mutex_;
  std::vector<Outage> all_ AC_GUARDED_BY(mutex_);
};

/// How often each thing was done, and how long it took at most.
class CallLog {
 public:
  /// Does `deed` and leaves errno as that did.
  template <class Deed>
  auto timed(const char* kind, Deed deed) {
    const Time begin = Clock::now();
    auto result = deed();
    const int error = errno;
    count(kind, Clock::now() - begin);
    errno = error;
    return result;
  }
  void count(const std::string& kind, Clock::duration took = {});
  [[nodiscard]] std::uint64_t count_of(const std::string& kind) const;
  /// "1,234 open (at most 56 ms), 7 kill, ..."
  [[nodiscard]] std::string summary() const;

 private:
  struct Kind {
    std::uint64_t count = 0;
    Clock::duration longest{};
  };
  mutable base::Mutex mutex_;
  std::map<std::string, Kind> kinds_ AC_GUARDED_BY(mutex_);
};

struct Ground {
  TestMount& mount;
  Outages outages{};
  Outages plain{};  ///< when nothing was filled: what is opened then may be the file of the plain folder
  CallLog calls{};

  /// Switches the cache's mode. One thread. Returns the daemon's answer.
  std::string set_mode(const std::string& mode);

  /// Whether a call that began at `begin` may have failed so: the source did not answer, and was not known.
  [[nodiscard]] bool excuses(int error, Time begin);
};

/// `round`, of which a call may fail in an outage: it ends there then. `kind`: what the log calls it.
BusyPrograms::Round may_time_out(Ground& ground, const char* kind, BusyPrograms::Round round);

}  // namespace arenacache::test
