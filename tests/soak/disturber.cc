// SPDX-License-Identifier: Apache-2.0
#include "soak/disturber.h"

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "mount/hang.h"
#include "mount/patterns.h"
#include "mount/worker_life.h"

namespace arenacache::test {

using base::text;

void Disturber::wait_for_rounds(const BusyPrograms& programs) {
  const std::uint64_t rounds = programs.rounds() + below(random_, 150);
  EXPECT_TRUE(TestMount::wait_for([&] { return programs.rounds() >= rounds || programs.has_failed(); }))
      << "the programs hang";
}

void Disturber::disturb(const BusyPrograms& programs, bool may_kill) {
  wait_for_rounds(programs);
  const std::string path = text("\"", files_.at(below(random_, files_.size())), "\"");
  constexpr std::array kModes{"active", "active", "active", "use-only", "off"};
  switch (below(random_, 16)) {
    case 0:
    case 1:
      return may_kill ? restart() : ask("evict", text("{\"paths\":[", path, "]}"));
    case 2:
    case 3:
    case 4:
    case 5:
      return may_kill ? kill() : ask("evict", text("{\"paths\":[", path, "]}"));
    case 6:
    case 7:
      EXPECT_NE(ground_.calls.timed("mode", [&] { return ground_.set_mode(kModes.at(below(random_, kModes.size()))); }),
                "");
      return;
    case 8:
      return ask("refresh", "{}");
    case 9:
    case 10:
      return ask("prefetch", text("{\"paths\":[", path, "]}"));
    case 11:
      return ask("scrub", "{}");
    case 12:
      return cut(may_kill);
    case 13:
      return expect_within_capacity();
    default:
      return ask("evict", text("{\"paths\":[", path, "]}"));
  }
}

void Disturber::ask(const char* method, const std::string& params) {
  const std::string answer = ground_.calls.timed(method, [&] { return ground_.mount.client().ask(method, params); });
  EXPECT_NE(answer, "") << method << ' ' << params;
}

void Disturber::kill() {
  const pid_t before = kill_worker(ground_.mount);
  EXPECT_TRUE(ground_.calls.timed("kill", [&] { return is_back(ground_.mount, before); }));
}

void Disturber::restart() {
  const Finished finished = ground_.calls.timed("restart", [&] { return ground_.mount.cli({"restart"}); });
  EXPECT_EQ(finished.exit_code, 0) << finished.output;
}

void Disturber::cut(bool may_kill) {
  if (nas_ == nullptr) return;
  std::optional<pid_t> killed;
  const auto length =
      std::chrono::milliseconds(is_long_ && is_one_in(random_, 4) ? 22'000 : 100 + below(random_, 3000));
  ground_.outages.begin();
  ground_.calls.timed("outage", [&] {
    const Hang hang(*nas_);
    const Time middle = Clock::now() + length / 2;
    EXPECT_TRUE(TestMount::wait_for([&] { return Clock::now() >= middle; }));
    if (may_kill && is_one_in(random_, 3)) killed = kill_worker(ground_.mount);
    EXPECT_TRUE(TestMount::wait_for([&] { return Clock::now() >= middle + length / 2; }));
    return true;
  });
  if (killed) {
    EXPECT_TRUE(ground_.calls.timed("kill in an outage", [&] { return is_back(ground_.mount, *killed); }));
  }
  const auto is_up = [&] {
    const auto stats = ground_.mount.client().stats();
    return stats && stats->health == "up";
  };
  EXPECT_TRUE(ground_.calls.timed("recovery", [&] { return TestMount::wait_for(is_up); }))
      << ground_.mount.stats().text;
  ground_.outages.end();
}

void Disturber::expect_within_capacity() const {
  const Stats stats = ground_.mount.stats();
  EXPECT_LE(stats.used_bytes, stats.capacity_bytes + kIndexLog) << stats.text;
  EXPECT_LE(allocated_below(ground_.mount.store()), stats.capacity_bytes + kIndexGrowth) << stats.text;
}

}  // namespace arenacache::test
