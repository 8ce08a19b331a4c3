// SPDX-License-Identifier: Apache-2.0
#include "flags.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/config/options.h"
#include "nearest.h"
#include "setting.h"

namespace arenacache::config {

namespace {

using base::ErrorKind;
using base::Result;
using base::text;

const Option* option_of_flag(std::string_view flag) {
  for (const ShortFlag& known : short_flags()) {
    if (known.flag == flag) return find_option(known.table, known.key);
  }
  for (const Option& option : options()) {
    if (flag_of(option) == flag) return &option;
  }
  return nullptr;
}

std::vector<std::string> all_flags() {
  std::vector<std::string> flags = {"--config", "--check", "--foreground", "--help", "--version"};
  for (const ShortFlag& known : short_flags()) flags.emplace_back(known.flag);
  for (const Option& option : options()) flags.push_back(flag_of(option));
  return flags;
}

Result<std::string> absolute(std::string_view flag, const std::string& path) {
  std::error_code error;
  const auto whole = std::filesystem::absolute(path, error);
  if (error) return refuse(flag, text("the current folder is not known: ", error.message()));
  return whole.string();
}

class Parser {
 public:
  explicit Parser(std::span<const char* const> arguments) : rest_(arguments) {}

  Result<Flags> parse() {
    while (!rest_.empty()) AC_TRY(take(rest_.front()));
    return std::move(flags_);
  }

 private:
  /// One flag and, where it has one, its value.
  Result<void> take(std::string_view argument) {
    rest_ = rest_.subspan(1);
    if (!argument.starts_with("--") && argument != "-h") {
      return base::fail(ErrorKind::invalid, 0,
                        text("\"", argument, "\" is not a flag; a folder is given as --source ", argument));
    }
    const std::size_t equals = argument.find('=');
    const std::string_view flag = argument.substr(0, equals);
    std::optional<std::string> value;
    if (equals != std::string_view::npos) value = argument.substr(equals + 1);
    if (bool* toggle = toggle_of(flag)) {
      if (value) return refuse(flag, "it takes no value");
      *toggle = true;
      return {};
    }
    return take_value(flag, std::move(value));
  }

  bool* toggle_of(std::string_view flag) {
    if (flag == "--check") return &flags_.check;
    if (flag == "--foreground") return &flags_.foreground;
    if (flag == "--help" || flag == "-h") return &flags_.help;
    if (flag == "--version") return &flags_.version;
    return nullptr;
  }

  Result<void> take_value(std::string_view flag, std::optional<std::string> value) {
    const Option* option = option_of_flag(flag);
    if (option == nullptr && flag != "--config") {
      return base::fail(ErrorKind::invalid, 0,
                        text(flag, " is not an option", suggestion(nearest_word(flag, all_flags()))));
    }
    if (!value) {
      if (rest_.empty() || std::string_view(rest_.front()).starts_with("--")) return refuse(flag, "a value is missing");
      value = rest_.front();
      rest_ = rest_.subspan(1);
    }
    const bool is_path = option == nullptr || option->type == OptionType::path;
    if (is_path) {
      if (value->empty()) return refuse(flag, "the path is empty");
      AC_ASSIGN(value, absolute(flag, *value));
    }
    if (option == nullptr) {
      flags_.file = std::move(*value);
      return {};
    }
    return keep(
        {.option = option, .value = {.written = std::move(*value), .is_text = true}, .place = std::string(flag)});
  }

  Result<void> keep(Setting setting) {
    if (!is_repeated(setting.option->table)) {
      flags_.settings.push_back(std::move(setting));
      return {};
    }
    auto& settings = setting.option->table == "tier" ? flags_.tier : flags_.mount;
    if (std::ranges::find(settings, setting.option, &Setting::option) != settings.end()) {
      return refuse(setting.place, text("it was given twice; several ", setting.option->table,
                                        "s need a file with a [[", setting.option->table, "]] for each"));
    }
    settings.push_back(std::move(setting));
    return {};
  }

  std::span<const char* const> rest_;
  Flags flags_;
};

}  // namespace

Result<Flags> read_flags(std::span<const char* const> arguments) { return Parser(arguments).parse(); }

}  // namespace arenacache::config
