// SPDX-License-Identifier: Apache-2.0
#include "raw_names.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "arenacache/store/ids.h"

namespace arenacache::store {

namespace {

constexpr std::size_t kIdDigits = 16;

std::string to_hex(std::uint64_t value, std::size_t digits) {
  std::string out(digits, '0');
  for (std::size_t i = digits; i-- > 0; value >>= 4U) out[i] = kHexDigits[value & 0xFU];
  return out;
}

}  // namespace

std::string fan_out_name(unsigned folder) { return to_hex(folder, 2); }

unsigned fan_out_of(ObjectId id) { return static_cast<unsigned>(to_number(id) % kFanOut); }

std::string id_name(ObjectId id) { return to_hex(to_number(id), kIdDigits); }

std::optional<RawName> parse_raw_name(std::string_view name) {
  const std::string_view digits = name.substr(0, kIdDigits);
  if (digits.size() != kIdDigits || digits.find_first_not_of(kHexDigits) != std::string_view::npos) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  if (error != std::errc{} || end != digits.data() + digits.size() || number > kMaxObjectNumber) return std::nullopt;
  const std::string_view suffix = name.substr(kIdDigits);
  if (suffix.empty()) return RawName{.id = ObjectId{number}, .kind = RawNameKind::data};
  if (suffix == ".map") return RawName{.id = ObjectId{number}, .kind = RawNameKind::sidecar};
  if (suffix.starts_with(".map.") && suffix.ends_with(".tmp")) {
    return RawName{.id = ObjectId{number}, .kind = RawNameKind::temporary};
  }
  return std::nullopt;
}

}  // namespace arenacache::store
