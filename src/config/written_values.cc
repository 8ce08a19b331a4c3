// SPDX-License-Identifier: Apache-2.0
#include "written_values.h"

#include <array>
#include <charconv>

#include "arenacache/base/text.h"

namespace arenacache::config {

using base::text;

OptionValue written_value(const Option& /*option*/, std::uint64_t size) {
  return {.written = text(size), .is_text = true};
}

OptionValue written_value(const Option& /*option*/, unsigned count) {
  return {.written = text(count), .is_text = true};
}

OptionValue written_value(const Option& /*option*/, const Capacity& capacity) {
  if (capacity.percent <= 0) return {.written = text(capacity.bytes), .is_text = true};
  std::array<char, 512> digits{};  // the shortest that reads back as the same, without an exponent
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), capacity.percent, std::chars_format::fixed);
  return {.written = text(std::string(digits.data(), end.ptr), '%'), .is_text = true};
}

OptionValue written_value(const Option& /*option*/, std::chrono::nanoseconds duration) {
  return {.written = text(duration.count(), "ns"), .is_text = true};
}

OptionValue written_value(const Option& /*option*/, const std::string& words) {
  return {.written = words, .is_text = true};
}

OptionValue written_value(const Option& /*option*/, const std::vector<std::string>& list) { return {.written = list}; }

}  // namespace arenacache::config
