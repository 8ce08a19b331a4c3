// SPDX-License-Identifier: Apache-2.0
// One field as a written value: read_value() (option_values.h) makes the same field of it again, to the last bit.
// Threads: any. Locks: none.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "arenacache/config/config.h"
#include "arenacache/config/options.h"

namespace arenacache::config {

OptionValue written_value(const Option& option, std::uint64_t size);
OptionValue written_value(const Option& option, unsigned count);
template <std::same_as<bool> Toggle>  // no pointer becomes one
OptionValue written_value(const Option& /*option*/, Toggle toggle) {
  return {.written = std::string(toggle ? "true" : "false"), .is_text = true};
}
OptionValue written_value(const Option& option, const Capacity& capacity);
OptionValue written_value(const Option& option, std::chrono::nanoseconds duration);
OptionValue written_value(const Option& option, const std::string& words);
OptionValue written_value(const Option& option, const std::vector<std::string>& list);

/// Nothing is "auto".
template <class T>
OptionValue written_value(const Option& option, const std::optional<T>& value) {
  return value ? written_value(option, *value) : OptionValue{.written = std::string("auto"), .is_text = true};
}

/// For an enum whose values are numbered as the option's choices.
template <class Enum>
  requires std::is_enum_v<Enum>
OptionValue written_value(const Option& option, Enum choice) {
  return {.written = std::string(option.choices[static_cast<std::size_t>(choice)]), .is_text = true};
}

}  // namespace arenacache::config
