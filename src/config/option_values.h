// SPDX-License-Identifier: Apache-2.0
// Reading one written value into one field, by the field's type and the option's bounds.
// Promises: an error is ErrorKind::invalid and says what is wrong with the value; place and key are the caller's to add.
// On error the field is as before. Threads: any.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"
#include "arenacache/config/options.h"

namespace arenacache::config {

base::Result<void> read_value(const Option& option, const OptionValue& value, std::uint64_t& size);
base::Result<void> read_value(const Option& option, const OptionValue& value, unsigned& count);
base::Result<void> read_value(const Option& option, const OptionValue& value, bool& toggle);
base::Result<void> read_value(const Option& option, const OptionValue& value, Capacity& capacity);
base::Result<void> read_value(const Option& option, const OptionValue& value, std::chrono::nanoseconds& duration);
/// "auto" is nothing.
base::Result<void> read_value(const Option& option, const OptionValue& value, std::optional<unsigned>& count);
/// "auto" is nothing.
base::Result<void> read_value(const Option& option, const OptionValue& value,
                              std::optional<std::chrono::nanoseconds>& duration);
base::Result<void> read_value(const Option& option, const OptionValue& value, std::string& words);
base::Result<void> read_value(const Option& option, const OptionValue& value, std::vector<std::string>& list);

/// Which of option.choices it is.
[[nodiscard]] base::Result<std::size_t> read_choice(const Option& option, const OptionValue& value);

/// For an enum whose values are numbered as the option's choices.
template <class Enum>
  requires std::is_enum_v<Enum>
base::Result<void> read_value(const Option& option, const OptionValue& value, Enum& choice) {
  AC_ASSIGN(const std::size_t index, read_choice(option, value));
  choice = static_cast<Enum>(index);
  return {};
}

/// Words as a sentence shows them: "a, b, c".
[[nodiscard]] std::string joined(std::span<const std::string_view> words);

}  // namespace arenacache::config
