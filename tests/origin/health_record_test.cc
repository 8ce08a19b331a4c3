// SPDX-License-Identifier: Apache-2.0
#include "health_record.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>

namespace arenacache::origin {
namespace {

using namespace std::chrono_literals;

constexpr base::TimePoint kStart{1h};

base::Error lost_line() {
  return {.kind = base::ErrorKind::origin, .errno_value = ENOTCONN, .what = "the line is down"};
}

class HealthRecordTest : public ::testing::Test {
 protected:
  [[nodiscard]] Health health() const { return record_.health().health; }
  /// Down since `now_`.
  void go_down() {
    record_.deadline_missed(now_);
    record_.probe_failed(lost_line(), now_);
    ASSERT_EQ(health(), Health::down);
  }

  base::TimePoint now_ = kStart;
  HealthRecord record_{kStart};
};

TEST_F(HealthRecordTest, BeginsUpAndUnprobed) {
  EXPECT_EQ(health(), Health::up);
  EXPECT_TRUE(record_.is_answering());
  EXPECT_EQ(record_.health().since, kStart);
  EXPECT_EQ(record_.probe_due(), base::TimePoint::max());
  EXPECT_EQ(record_.recovered(), base::TimePoint::min());
}

TEST_F(HealthRecordTest, AMissedDeadlineDegradesAndIsProbedAtOnce) {
  now_ += 5s;
  record_.deadline_missed(now_);
  EXPECT_EQ(health(), Health::degraded);
  EXPECT_FALSE(record_.is_answering());
  EXPECT_EQ(record_.health().since, now_);
  EXPECT_EQ(record_.health().why.errno_value, ETIMEDOUT);
  EXPECT_LE(record_.probe_due(), now_);
}

TEST_F(HealthRecordTest, AProbeThatSucceedsIsTheWayBack) {
  record_.deadline_missed(now_);
  now_ += 2s;
  record_.probe_succeeded(now_);
  EXPECT_EQ(health(), Health::up);
  EXPECT_EQ(record_.recovered(), now_);
  EXPECT_EQ(record_.health().why.errno_value, 0);
  EXPECT_EQ(record_.probe_due(), base::TimePoint::max());
}

TEST_F(HealthRecordTest, LostThreadsKeepItDegradedThoughItAnswers) {
  record_.lost_threads(2, now_);
  record_.deadline_missed(now_);
  record_.probe_succeeded(now_);
  EXPECT_TRUE(record_.is_answering());
  EXPECT_EQ(health(), Health::degraded);
  record_.lost_threads(1, now_);
  EXPECT_EQ(health(), Health::degraded);
  now_ += 1min;
  record_.lost_threads(0, now_);
  EXPECT_EQ(health(), Health::up);
  EXPECT_EQ(record_.health().since, now_);
}

TEST_F(HealthRecordTest, ProbesThatFailComeSeldomerButEveryEightSeconds) {
  record_.deadline_missed(now_);
  for (const auto pause : {1s, 2s, 4s, 8s, 8s, 8s}) {
    record_.probe_failed(lost_line(), now_);
    EXPECT_EQ(health(), Health::down);
    EXPECT_EQ(record_.health().why.errno_value, ENOTCONN);
    EXPECT_EQ(record_.probe_due(), now_ + pause);
    now_ = record_.probe_due();
  }
  EXPECT_EQ(record_.health().since, kStart) << "down all the time";
  record_.probe_succeeded(now_);
  record_.deadline_missed(now_ + 1min);
  record_.probe_failed(lost_line(), now_ + 1min);
  EXPECT_EQ(record_.probe_due(), now_ + 1min + 1s) << "from the beginning again";
}

TEST_F(HealthRecordTest, ACallThatComesBackLateHurriesTheProbeAndNoMore) {
  for (int i = 0; i < 5; ++i) go_down();
  now_ += 500ms;
  record_.call_came_back(now_);
  EXPECT_FALSE(record_.is_answering());
  EXPECT_LE(record_.probe_due(), now_);
}

TEST_F(HealthRecordTest, AFailedCallIsNoVerdictUntilAProbeFailsToo) {
  record_.put_in_doubt(now_);
  EXPECT_EQ(health(), Health::up);
  EXPECT_TRUE(record_.is_answering());
  EXPECT_LE(record_.probe_due(), now_);
  record_.probe_succeeded(now_);
  EXPECT_EQ(record_.recovered(), base::TimePoint::min()) << "it was never away";
  record_.put_in_doubt(now_ + 100ms);
  EXPECT_EQ(record_.probe_due(), now_ + 1s) << "however many calls fail";
  record_.probe_failed(lost_line(), now_ + 1s);
  EXPECT_EQ(health(), Health::down);
  EXPECT_FALSE(record_.is_answering());
}

TEST_F(HealthRecordTest, MoreMissesOfOneOutageChangeNothing) {
  go_down();
  const base::TimePoint due = record_.probe_due();
  record_.deadline_missed(now_ + 100ms);
  EXPECT_EQ(record_.probe_due(), due);
  EXPECT_EQ(record_.health().since, now_);
  EXPECT_EQ(health(), Health::down);
}

TEST(Health, HasAWordForEachState) {
  EXPECT_EQ(to_string(Health::up), "up");
  EXPECT_EQ(to_string(Health::degraded), "degraded");
  EXPECT_EQ(to_string(Health::down), "down");
}

TEST(Health, AConnectionErrorIsNoAnswerAndANoIsOne) {
  EXPECT_TRUE(is_connection_error(lost_line()));
  EXPECT_FALSE(is_connection_error({.kind = base::ErrorKind::origin, .errno_value = ENOENT, .what = ""}));
  EXPECT_FALSE(is_connection_error({.kind = base::ErrorKind::origin, .errno_value = EACCES, .what = ""}));
  EXPECT_FALSE(is_connection_error({.kind = base::ErrorKind::stale, .errno_value = ESTALE, .what = ""}));
}

}  // namespace
}  // namespace arenacache::origin
