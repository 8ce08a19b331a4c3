// SPDX-License-Identifier: Apache-2.0
#include "option_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/config/config.h"
#include "arenacache/config/options.h"

namespace arenacache::config {

namespace {

using base::ErrorKind;
using base::Result;
using base::text;

template <class... Parts>
std::unexpected<base::Error> refused(const Parts&... parts) {
  return base::fail(ErrorKind::invalid, 0, text(parts...));
}

std::string_view article_and_name(const OptionValue& value) {
  static constexpr std::array<std::string_view, 5> kNames = {"a string", "a whole number", "a number with a fraction",
                                                             "true or false", "a list"};
  return kNames.at(value.written.index());
}

std::unexpected<base::Error> wrong_type(std::string_view expected, const OptionValue& value) {
  return refused("it must be ", expected, ", not ", article_and_name(value));
}

/// `number` shown in the unit of the option.
std::string shown(const Option& option, std::uint64_t number) {
  if (option.type == OptionType::duration) {
    return base::format_duration(std::chrono::nanoseconds(static_cast<std::int64_t>(number)));
  }
  return option.type == OptionType::count ? std::to_string(number) : base::format_size(number);
}

Result<void> check_range(const Option& option, std::uint64_t number) {
  if (number >= option.least && number <= option.most) return {};
  if (option.most == INT64_MAX) return refused("it must be at least ", shown(option, option.least));
  return refused("it must be between ", shown(option, option.least), " and ", shown(option, option.most));
}

/// A string's text, or null.
const std::string* text_of(const OptionValue& value) { return std::get_if<std::string>(&value.written); }

Result<std::uint64_t> size_of(const OptionValue& value, std::string_view expected) {
  if (const auto* number = std::get_if<std::int64_t>(&value.written)) {
    if (*number < 0) return refused("it must not be negative");
    return static_cast<std::uint64_t>(*number);
  }
  const std::string* words = text_of(value);
  if (words == nullptr) return wrong_type(expected, value);
  return base::parse_size(*words);
}

Result<std::int64_t> count_of(const OptionValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value.written)) return *number;
  const std::string* words = text_of(value);
  if (words == nullptr || !value.is_text) return wrong_type("a whole number", value);
  std::int64_t number = 0;
  const char* const end = words->data() + words->size();
  const auto [rest, error] = std::from_chars(words->data(), end, number);
  if (error != std::errc{} || rest != end) return refused("\"", *words, "\" is not a whole number");
  return number;
}

/// A path as we compare them: no "." or "..", no "/" twice or at the end.
std::string normal_path(const std::string& written) {
  std::string path = std::filesystem::path(written).lexically_normal().string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

/// "a,{b,c}" is "a" and "{b,c}".
std::vector<std::string> split_list(std::string_view words) {
  std::vector<std::string> list;
  std::string part;
  int depth = 0;
  for (const char letter : words) {
    if (letter == '{') ++depth;
    if (letter == '}' && depth > 0) --depth;
    if (letter == ',' && depth == 0) {
      list.push_back(std::exchange(part, {}));
    } else {
      part += letter;
    }
  }
  list.push_back(std::move(part));
  std::erase_if(list, [](const std::string& item) { return item.empty(); });
  return list;
}

}  // namespace

std::string joined(std::span<const std::string_view> words) {
  std::string out;
  for (const std::string_view word : words) out += text(out.empty() ? "" : ", ", word);
  return out;
}

Result<void> read_value(const Option& option, const OptionValue& value, std::uint64_t& size) {
  AC_ASSIGN(const std::uint64_t bytes, size_of(value, "a size such as \"4MiB\""));
  AC_TRY(check_range(option, bytes));
  size = bytes;
  return {};
}

Result<void> read_value(const Option& option, const OptionValue& value, unsigned& count) {
  AC_ASSIGN(const std::int64_t number, count_of(value));
  if (number < 0) return check_range(option, std::numeric_limits<std::uint64_t>::max());
  AC_TRY(check_range(option, static_cast<std::uint64_t>(number)));
  count = static_cast<unsigned>(number);
  return {};
}

Result<void> read_value(const Option& /*option*/, const OptionValue& value, bool& toggle) {
  if (const bool* written = std::get_if<bool>(&value.written)) {
    toggle = *written;
    return {};
  }
  static constexpr std::array<std::string_view, 3> kYes = {"true", "on", "yes"};
  static constexpr std::array<std::string_view, 3> kNo = {"false", "off", "no"};
  const std::string* words = text_of(value);
  if (words == nullptr || !value.is_text) return wrong_type("true or false", value);
  const bool is_yes = std::ranges::find(kYes, *words) != kYes.end();
  if (!is_yes && std::ranges::find(kNo, *words) == kNo.end()) return refused("\"", *words, "\" is neither on nor off");
  toggle = is_yes;
  return {};
}

Result<void> read_value(const Option& option, const OptionValue& value, Capacity& capacity) {
  const std::string* words = text_of(value);
  if (words == nullptr || !words->ends_with('%')) {
    AC_ASSIGN(const std::uint64_t bytes, size_of(value, "a size such as \"200GiB\", or a percent such as \"80%\""));
    AC_TRY(check_range(option, bytes));
    capacity = {.bytes = bytes, .percent = 0};
    return {};
  }
  double percent = 0;
  const char* const end = words->data() + words->size() - 1;
  const auto [rest, error] = std::from_chars(words->data(), end, percent, std::chars_format::fixed);
  if (error != std::errc{} || rest != end)
    return refused("\"", *words, "\" is not a percent: write one such as \"80%\"");
  if (!(percent > 0 && percent <= 100)) return refused("\"", *words, "\" is not between 0% and 100%");
  capacity = {.bytes = 0, .percent = percent};
  return {};
}

Result<void> read_value(const Option& option, const OptionValue& value, std::chrono::nanoseconds& duration) {
  const std::string* words = text_of(value);
  if (words == nullptr) return wrong_type("a duration such as \"30s\"", value);
  AC_ASSIGN(const std::chrono::nanoseconds parsed, base::parse_duration(*words));
  AC_TRY(check_range(option, static_cast<std::uint64_t>(parsed.count())));
  duration = parsed;
  return {};
}

namespace {

/// A value of type T, or the word "auto", which is nothing.
template <class T>
Result<void> read_unless_auto(const Option& option, const OptionValue& value, std::optional<T>& out) {
  const std::string* words = text_of(value);
  if (words != nullptr && *words == "auto") {
    out.reset();
    return {};
  }
  T parsed{};
  AC_TRY(read_value(option, value, parsed));
  out = parsed;
  return {};
}

}  // namespace

Result<void> read_value(const Option& option, const OptionValue& value, std::optional<unsigned>& count) {
  return read_unless_auto(option, value, count);
}

Result<void> read_value(const Option& option, const OptionValue& value,
                        std::optional<std::chrono::nanoseconds>& duration) {
  return read_unless_auto(option, value, duration);
}

Result<void> read_value(const Option& option, const OptionValue& value, std::string& words) {
  if (option.type == OptionType::choice) {
    AC_ASSIGN(const std::size_t index, read_choice(option, value));
    words = option.choices[index];
    return {};
  }
  const std::string* written = text_of(value);
  if (written == nullptr) return wrong_type("a string", value);
  if (written->contains('\0')) return refused("it has a zero byte in it");
  words = option.type == OptionType::path && !written->empty() ? normal_path(*written) : *written;
  return {};
}

Result<void> read_value(const Option& /*option*/, const OptionValue& value, std::vector<std::string>& list) {
  if (const auto* written = std::get_if<std::vector<std::string>>(&value.written)) {
    list = *written;
    return {};
  }
  const std::string* words = text_of(value);
  if (words == nullptr || !value.is_text) return wrong_type("a list of strings such as [\"a\", \"b\"]", value);
  list = split_list(*words);
  return {};
}

Result<std::size_t> read_choice(const Option& option, const OptionValue& value) {
  const std::string* words = text_of(value);
  if (words == nullptr) return wrong_type(text("one of ", joined(option.choices)), value);
  const auto found = std::ranges::find(option.choices, *words);
  if (found == option.choices.end()) {
    return option.choices.size() == 1
               ? Result<std::size_t>(refused("\"", *words, "\" is not known; there is: ", option.choices.front()))
               : Result<std::size_t>(refused("\"", *words, "\" is not one of ", joined(option.choices)));
  }
  return static_cast<std::size_t>(std::distance(option.choices.begin(), found));
}

}  // namespace arenacache::config
