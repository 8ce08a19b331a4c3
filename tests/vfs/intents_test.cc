// SPDX-License-Identifier: Apache-2.0
#include "intents.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <expected>
#include <vector>

#include "arenacache/base/result.h"

namespace arenacache::vfs {
namespace {

/// Fails with each of `errors` in turn, then succeeds; says how often it ran in all.
std::size_t runs_of(bool was_begun_before, const std::vector<int>& errors) {
  std::size_t runs = 0;
  const auto result = despite_the_late(was_begun_before, [&]() -> base::Result<void> {
    if (runs++ < errors.size())
      return std::unexpected(base::errno_error(base::ErrorKind::origin, errors[runs - 1], "late"));
    return {};
  });
  EXPECT_EQ(result.has_value(), runs > errors.size());
  return runs;
}

TEST(DespiteTheLateTest, AChangeThatALateCallMadeIsFoundOutByAnotherRun) {
  for (const int error : {EEXIST, ENOENT, ESTALE}) EXPECT_EQ(runs_of(true, {error}), 2U) << error;
  EXPECT_EQ(runs_of(true, {ESTALE, EEXIST}), 3U);
}

TEST(DespiteTheLateTest, WhatStaysWrongIsAnError) {
  EXPECT_EQ(runs_of(true, {EEXIST, EEXIST, EEXIST, EEXIST}), 3U);
  EXPECT_EQ(runs_of(true, {EACCES}), 1U);
}

TEST(DespiteTheLateTest, WhatNobodyBeganRunsOnce) {
  for (const int error : {EEXIST, ENOENT, ESTALE}) EXPECT_EQ(runs_of(false, {error}), 1U) << error;
}

}  // namespace
}  // namespace arenacache::vfs
