// SPDX-License-Identifier: Apache-2.0
#include "support/manual_executor.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace arenacache::test {
namespace {

using Names = std::vector<std::string>;

TEST(ManualExecutor, runs_nothing_by_itself) {
  ManualExecutor executor;
  bool ran = false;
  executor.submit("fill", [&] { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_EQ(executor.names(), Names{"fill"});
}

TEST(ManualExecutor, runs_by_name_oldest_first) {
  ManualExecutor executor;
  Names order;
  executor.submit("fill", [&] { order.emplace_back("fill 1"); });
  executor.submit("evict", [&] { order.emplace_back("evict"); });
  executor.submit("fill", [&] { order.emplace_back("fill 2"); });
  EXPECT_TRUE(executor.run_next("evict"));
  EXPECT_TRUE(executor.run_next("fill"));
  EXPECT_FALSE(executor.run_next("evict"));
  EXPECT_TRUE(executor.run_next());
  EXPECT_FALSE(executor.run_next());
  EXPECT_EQ(order, (Names{"evict", "fill 1", "fill 2"}));
}

TEST(ManualExecutor, run_all_runs_what_jobs_submit_too) {
  ManualExecutor executor;
  int ran = 0;
  executor.submit("outer", [&] { executor.submit("inner", [&] { ++ran; }); });
  EXPECT_EQ(executor.run_all(), 2U);
  EXPECT_EQ(ran, 1);
}

TEST(ManualExecutor, drops_jobs_after_stop) {
  ManualExecutor executor;
  const auto held = std::make_shared<int>(1);
  executor.submit("before", [held] {});
  executor.stop();
  executor.submit("after", [held] {});
  EXPECT_EQ(executor.run_all(), 0U);
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace arenacache::test
