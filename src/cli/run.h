// SPDX-License-Identifier: Apache-2.0
// run(): the whole of `arenacache`, callable by tests with streams of their own.
// Promises: never throws; the exit code is 0 success, 1 failure, 2 usage. Reads the environment: ARENACACHE_SOCKET,
// NO_COLOR, the locale.
#pragma once

#include <ostream>

namespace arenacache::cli {

int run(int argc, const char* const* argv, std::ostream& out, std::ostream& err, bool is_terminal);

}  // namespace arenacache::cli
