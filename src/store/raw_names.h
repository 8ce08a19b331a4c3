// SPDX-License-Identifier: Apache-2.0
// The names of files in the raw tier's folders: `ab/<id>`, `ab/<id>.map`, `ab/<id>.map.<n>.tmp`; <id> is 16 hex digits and
// `ab` its last two, so that ids given one after the other spread over all folders.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "arenacache/store/ids.h"

namespace arenacache::store {

inline constexpr unsigned kFanOut = 256;
inline constexpr std::string_view kHexDigits = "0123456789abcdef";

enum class RawNameKind : std::uint8_t { data, sidecar, temporary };

struct RawName {
  ObjectId id{};
  RawNameKind kind = RawNameKind::data;
};

/// "ab" for folder 0xab.
[[nodiscard]] std::string fan_out_name(unsigned folder);
[[nodiscard]] unsigned fan_out_of(ObjectId id);
/// 16 hex digits.
[[nodiscard]] std::string id_name(ObjectId id);
/// Nothing for a name that is not one of ours.
[[nodiscard]] std::optional<RawName> parse_raw_name(std::string_view name);

}  // namespace arenacache::store
