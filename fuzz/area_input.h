// SPDX-License-Identifier: Apache-2.0
// What handover_fuzz takes: a list of writes into the area that an earlier worker left, each with its bytes and its place.
// An input is for each write a byte that says which part, two (little-endian) which entry of it, one how many bytes follow.
// Threads: one. Never: writes outside of the area.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "arenacache/base/unique_fd.h"

namespace arenacache::fuzz {

/// Parts of an area. An entry of `header` and `init` is a byte, of the others what it is called.
enum class AreaPart : std::uint8_t { header, init, slot_state, slot, room, cell };

/// The bytes of an input that write `bytes` at `entry` of `part`.
[[nodiscard]] std::string area_write(AreaPart part, std::uint16_t entry, std::string_view bytes);

/// An area in good order, with all of `input` written into it.
[[nodiscard]] base::UniqueFd area_with(std::span<const std::uint8_t> input);

}  // namespace arenacache::fuzz
