// SPDX-License-Identifier: Apache-2.0
// Hashes: XXH3-64 over bytes, for block checksums, readdir cookies and tables. Not cryptographic.
// Source: xxHash 0.8 (github.com/Cyan4973/xxHash); the value is the canonical XXH3_64bits with seed 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace arenacache::base {

[[nodiscard]] std::uint64_t xxh3_64(std::span<const std::byte> bytes);
[[nodiscard]] std::uint64_t xxh3_64(std::string_view bytes);

}  // namespace arenacache::base
