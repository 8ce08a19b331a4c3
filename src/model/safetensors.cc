// SPDX-License-Identifier: Apache-2.0
#include "safetensors.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "little_endian.h"
#include "safetensors_events.h"
#include "table_builder.h"

namespace arenacache::model {

namespace {

constexpr std::size_t kLengthBytes = sizeof(std::uint64_t);

std::unexpected<base::Error> refuse(std::string why) { return base::fail(base::ErrorKind::invalid, 0, std::move(why)); }

/// What the JSON library calls; it wants two more functions than make sense for JSON text.
class Sax final : public SafetensorsEvents {
 public:
  using SafetensorsEvents::SafetensorsEvents;
  static bool binary(nlohmann::json::binary_t& /*value*/) { return false; }
  bool parse_error(std::size_t position, const std::string& /*token*/, const nlohmann::json::exception& /*error*/) {
    return syntax_error(position);
  }
};

base::Result<void> parse(std::span<const std::byte> json, TableBuilder& builder) {
  // The library takes a NUL for the end of the text and would not look at what is behind it.
  if (std::ranges::find(json, std::byte{0}) != json.end()) return refuse("its JSON has a NUL byte");
  // The library reads characters; std::byte may be looked at as such.
  const auto* text = reinterpret_cast<const char*>(json.data());  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
  Sax events(builder);
  try {
    // Its parser keeps open brackets in a vector, so that depth costs no stack; the events bound it all the same.
    if (!nlohmann::json::sax_parse(text, text + json.size(), &events)) return refuse(events.why());
  } catch (const std::exception& error) {
    return refuse(base::text("its JSON cannot be parsed: ", error.what()));
  }
  return {};
}

}  // namespace

bool is_safetensors(std::span<const std::byte> head, std::uint64_t file_size) {
  if (head.size() <= kLengthBytes || file_size <= kLengthBytes) return false;
  const auto length = little_endian<std::uint64_t>(head);
  return length > 0 && length <= kMaxSafetensorsHeaderBytes && length <= file_size - kLengthBytes &&
         head[kLengthBytes] == std::byte{'{'};
}

base::Result<Reading> read_safetensors(std::span<const std::byte> head, std::uint64_t file_size) {
  if (!is_safetensors(head, file_size)) return refuse("it does not begin as one");
  const std::uint64_t header_bytes = kLengthBytes + little_endian<std::uint64_t>(head);
  if (head.size() < header_bytes) return NeedMore{.at_least = header_bytes, .sensible = header_bytes};

  TableBuilder builder(header_bytes, file_size);
  AC_TRY(parse(head.first(header_bytes).subspan(kLengthBytes), builder));
  return builder.finish();
}

}  // namespace arenacache::model
