// SPDX-License-Identifier: Apache-2.0
// text(...): joins strings and numbers to one std::string, for sentences of errors and logs. Cheap to include.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace arenacache::base {

namespace detail {
inline void append(std::string& out, std::string_view part) { out += part; }
inline void append(std::string& out, char part) { out += part; }
template <std::integral T>
  requires(!std::same_as<T, char> && !std::same_as<T, bool>)
void append(std::string& out, T part) {
  out += std::to_string(part);
}
}  // namespace detail

template <class... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
  std::string out;
  (detail::append(out, parts), ...);
  return out;
}

}  // namespace arenacache::base
