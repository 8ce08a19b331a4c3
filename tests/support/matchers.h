// SPDX-License-Identifier: Apache-2.0
// Predicates over Result for EXPECT_TRUE that say what the error was, and must(), which unwraps in a test's set-up.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"

namespace arenacache::base {

/// gtest prints what it compares by these.
inline void PrintTo(ErrorKind kind, std::ostream* out) { *out << to_string(kind); }
inline void PrintTo(const Error& error, std::ostream* out) {
  *out << to_string(error.kind) << " error, errno " << error.errno_value << ": " << error.what;
}

}  // namespace arenacache::base

namespace arenacache::test {

inline std::string describe(const base::Error& error) {
  return base::text(base::to_string(error.kind), " error, errno ", error.errno_value, ": ", error.what);
}

/// EXPECT_TRUE(is_ok(io.sync_data(fd)));
template <class T>
testing::AssertionResult is_ok(const base::Result<T>& result) {
  if (result.has_value()) return testing::AssertionSuccess() << "it succeeded";
  return testing::AssertionFailure() << describe(result.error());
}

/// EXPECT_TRUE(has_kind(io.write_at(...), ErrorKind::no_space));
template <class T>
testing::AssertionResult has_kind(const base::Result<T>& result, base::ErrorKind kind) {
  if (result.has_value()) return testing::AssertionFailure() << "it succeeded; expected kind " << to_string(kind);
  if (result.error().kind == kind) return testing::AssertionSuccess() << describe(result.error());
  return testing::AssertionFailure() << describe(result.error()) << "; expected kind " << to_string(kind);
}

/// The value; ends the test program with the error's sentence when there is none.
template <class T>
T must(base::Result<T> result) {
  if (!result.has_value()) {
    std::fprintf(stderr, "must() was given an error: %s\n", describe(result.error()).c_str());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace arenacache::test
