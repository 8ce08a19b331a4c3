// SPDX-License-Identifier: Apache-2.0
#include "packed_names.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "arenacache/base/text.h"
#include "arenacache/store/chunk.h"
#include "arenacache/store/ids.h"
#include "raw_names.h"

namespace arenacache::store {

namespace {

constexpr std::string_view kManifestSuffix = ".pack";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr std::size_t kNumberDigits = 16;
constexpr unsigned kTopByte = 56;

std::string to_hex(std::uint64_t value) {
  std::string out(kNumberDigits, '0');
  for (std::size_t i = kNumberDigits; i-- > 0; value >>= 4U) out[i] = kHexDigits[value & 0xFU];
  return out;
}

/// Takes 16 hex digits from the front.
std::optional<std::uint64_t> take_hex(std::string_view& text) {
  const std::string_view digits = text.substr(0, kNumberDigits);
  if (digits.size() != kNumberDigits || digits.find_first_not_of(kHexDigits) != std::string_view::npos)
    return std::nullopt;
  std::uint64_t number = 0;
  for (const char digit : digits) number = number << 4U | kHexDigits.find(digit);
  text.remove_prefix(kNumberDigits);
  return number;
}

/// "" or ".<n>.tmp"; false for anything else.
bool take_temporary(std::string_view rest, std::optional<std::uint64_t>& number) {
  if (rest.empty()) return true;
  if (!rest.starts_with('.') || !rest.ends_with(kTemporarySuffix)) return false;
  rest.remove_prefix(1);
  if (rest.size() <= kTemporarySuffix.size()) return false;
  rest.remove_suffix(kTemporarySuffix.size());
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc{} || end != rest.data() + rest.size()) return false;
  number = value;
  return true;
}

}  // namespace

std::string chunk_name(const ChunkHash& hash) { return to_hex(hash.high) + to_hex(hash.low); }

unsigned fan_out_of(const ChunkHash& hash) { return static_cast<unsigned>(hash.high >> kTopByte); }

PackedPaths::PackedPaths(std::string directory)
    : directory_(std::move(directory)), chunks_(directory_ + "/chunks"), objects_(directory_ + "/objects") {}

std::string PackedPaths::chunk_folder(unsigned folder) const { return base::text(chunks_, '/', fan_out_name(folder)); }

std::string PackedPaths::object_folder(unsigned folder) const {
  return base::text(objects_, '/', fan_out_name(folder));
}

std::string PackedPaths::chunk(const ChunkHash& hash) const {
  return base::text(chunk_folder(fan_out_of(hash)), '/', chunk_name(hash));
}

std::string PackedPaths::manifest(ObjectId id) const {
  return base::text(object_folder(fan_out_of(id)), '/', id_name(id), kManifestSuffix);
}

std::string temporary_path(const std::string& path, std::uint64_t number) {
  return base::text(path, '.', number, kTemporarySuffix);
}

std::optional<unsigned> parse_fan_out_name(std::string_view name) {
  if (name.size() != 2 || name.find_first_not_of(kHexDigits) != std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(kHexDigits.find(name[0]) << 4U | kHexDigits.find(name[1]));
}

std::optional<PackedName<ChunkHash>> parse_chunk_name(std::string_view name) {
  PackedName<ChunkHash> out;
  const auto high = take_hex(name);
  if (!high) return std::nullopt;
  const auto low = take_hex(name);
  if (!low || !take_temporary(name, out.temporary)) return std::nullopt;
  out.what = {.high = *high, .low = *low};
  return out;
}

std::optional<PackedName<ObjectId>> parse_manifest_name(std::string_view name) {
  PackedName<ObjectId> out;
  const auto number = take_hex(name);
  if (!number || *number > kMaxObjectNumber || !name.starts_with(kManifestSuffix)) return std::nullopt;
  name.remove_prefix(kManifestSuffix.size());
  if (!take_temporary(name, out.temporary)) return std::nullopt;
  out.what = ObjectId{*number};
  return out;
}

}  // namespace arenacache::store
