// SPDX-License-Identifier: Apache-2.0
// Instructions: which of the machine's instructions the inner loops may use. The bytes that come out are the same.
// Threads: any; constants only. Never: allocates.
#pragma once

#include <cstdint>

namespace arenacache::codec {

enum class Instructions : std::uint8_t {
  best,      ///< what this machine has, found out when the program runs
  portable,  ///< only what every machine has
};

}  // namespace arenacache::codec
