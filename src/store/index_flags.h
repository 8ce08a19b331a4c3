// SPDX-License-Identifier: Apache-2.0
// Bits of objects.flags in the index.
#pragma once

#include <cstdint>

namespace arenacache::store {

inline constexpr std::int64_t kRowResident = 1;
inline constexpr std::int64_t kRowDirty = 2;
inline constexpr std::int64_t kRowNeedsCheck = 4;
/// Two bits: 0 to 3.
inline constexpr unsigned kRowLoadHabitShift = 3;
inline constexpr std::uint8_t kMostLoadHabit = 3;

}  // namespace arenacache::store
