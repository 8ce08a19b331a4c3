// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/units.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"

namespace arenacache::base {

namespace {

struct Unit {
  std::string_view name;  ///< lower case
  std::uint64_t factor;
};

constexpr std::uint64_t kKilo = 1000;
constexpr std::uint64_t kMega = 1000 * kKilo;
constexpr std::uint64_t kGiga = 1000 * kMega;
constexpr std::uint64_t kTera = 1000 * kGiga;
constexpr std::uint64_t kPeta = 1000 * kTera;
constexpr std::uint64_t kTiB = 1024 * kGiB;
constexpr std::uint64_t kPiB = 1024 * kTiB;
constexpr std::array<Unit, 17> kSizeUnits = {{
    {"", 1},
    {"b", 1},
    {"k", kKiB},
    {"kib", kKiB},
    {"kb", kKilo},
    {"m", kMiB},
    {"mib", kMiB},
    {"mb", kMega},
    {"g", kGiB},
    {"gib", kGiB},
    {"gb", kGiga},
    {"t", kTiB},
    {"tib", kTiB},
    {"tb", kTera},
    {"p", kPiB},
    {"pib", kPiB},
    {"pb", kPeta},
}};

constexpr std::uint64_t kSecond = kGiga;
constexpr std::array<Unit, 8> kTimeUnits = {{
    {"ns", 1},
    {"us", kKilo},
    {"ms", kMega},
    {"s", kSecond},
    {"m", 60 * kSecond},
    {"min", 60 * kSecond},
    {"h", 3600 * kSecond},
    {"d", 86400 * kSecond},
}};

struct Quantity {
  std::uint64_t whole = 0;
  double fraction = 0;  ///< in [0, 1)
  std::string unit;     ///< lower case, may be empty
};

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

std::string to_lower(std::string_view words) {
  std::string lower(words);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return lower;
}

/// "1.5TiB" or "1.5 TiB" taken apart; nothing when it does not begin with digits or the number has more than 64 bits.
std::optional<Quantity> split_quantity(std::string_view word) {
  Quantity quantity;
  const char* const end = word.end();
  const auto [after_whole, error] = std::from_chars(word.begin(), end, quantity.whole);
  if (error != std::errc{}) return std::nullopt;
  std::string_view rest(after_whole, static_cast<std::size_t>(end - after_whole));
  if (rest.size() >= 2 && rest[0] == '.' && is_digit(rest[1])) {
    rest.remove_prefix(1);
    double place = 1;
    for (; !rest.empty() && is_digit(rest[0]); rest.remove_prefix(1)) {
      place /= 10;
      quantity.fraction += place * (rest[0] - '0');
    }
  }
  if (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
  quantity.unit = to_lower(rest);
  return quantity;
}

std::optional<std::uint64_t> factor_of(std::string_view unit, std::span<const Unit> units) {
  for (const Unit& known : units) {
    if (known.name == unit) return known.factor;
  }
  return std::nullopt;
}

/// quantity * factor, or nothing when it does not fit `limit`.
std::optional<std::uint64_t> multiply(const Quantity& quantity, std::uint64_t factor, std::uint64_t limit) {
  if (quantity.whole > limit / factor) return std::nullopt;
  const auto part = static_cast<std::uint64_t>(std::llround(quantity.fraction * static_cast<double>(factor)));
  const std::uint64_t whole = quantity.whole * factor;
  if (part > limit - whole) return std::nullopt;
  return whole + part;
}

std::string with_decimals(double value, int decimals) {
  std::array<char, 64> out{};
  const auto [end, error] =
      std::to_chars(out.data(), out.data() + out.size(), value, std::chars_format::fixed, decimals);
  return error == std::errc{} ? std::string(out.data(), end) : "?";
}

std::string two_digits(std::uint64_t number) { return text(number < 10 ? "0" : "", number); }

}  // namespace

Result<std::uint64_t> parse_size(std::string_view word) {
  const auto quantity = split_quantity(word);
  const auto factor = quantity ? factor_of(quantity->unit, kSizeUnits) : std::nullopt;
  if (!factor) {
    return fail(ErrorKind::invalid, 0,
                text("\"", word, "\" is not a size: write a number with KiB, MiB, GiB or TiB, such as \"200GiB\""));
  }
  const auto bytes = multiply(*quantity, *factor, std::numeric_limits<std::int64_t>::max());
  if (!bytes) return fail(ErrorKind::invalid, 0, text("the size \"", word, "\" is too large: the most is 8191PiB"));
  return *bytes;
}

Result<std::chrono::nanoseconds> parse_duration(std::string_view word) {
  const auto quantity = split_quantity(word);
  if (quantity && quantity->unit.empty()) {
    if (word == "0") return std::chrono::nanoseconds(0);
    return fail(
        ErrorKind::invalid, 0,
        text("the duration \"", word, "\" has no unit: write \"", word, "s\", \"", word, "m\" or \"", word, "ms\""));
  }
  const auto factor = quantity ? factor_of(quantity->unit, kTimeUnits) : std::nullopt;
  if (!factor) {
    return fail(ErrorKind::invalid, 0,
                text("\"", word, "\" is not a duration: write a number with ms, s, m, h or d, such as \"30s\""));
  }
  const auto ns = multiply(*quantity, *factor, std::numeric_limits<std::int64_t>::max());
  if (!ns) return fail(ErrorKind::invalid, 0, text("the duration \"", word, "\" is too long: the most is 106751d"));
  return std::chrono::nanoseconds(static_cast<std::int64_t>(*ns));
}

std::string format_size(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 6> kNames = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < kKiB) return text(bytes, " B");
  double value = static_cast<double>(bytes) / static_cast<double>(kKiB);
  std::size_t name = 0;
  // 1023.5 would be shown as 1024.
  while (value >= 1023.5 && name + 1 < kNames.size()) {
    value /= static_cast<double>(kKiB);
    ++name;
  }
  return text(with_decimals(value, value >= 999.95 ? 0 : 1), " ", kNames[name]);
}

std::string format_rate(double bytes_per_second) {
  static constexpr std::array<std::string_view, 5> kNames = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s"};
  double value = bytes_per_second > 0 ? bytes_per_second : 0;
  std::size_t name = 0;
  while (value >= 999.5 && name + 1 < kNames.size()) {
    value /= static_cast<double>(kKilo);
    ++name;
  }
  return text(with_decimals(value, name > 0 && value < 9.95 ? 1 : 0), " ", kNames[name]);
}

std::string format_duration(std::chrono::nanoseconds duration) {
  const std::int64_t count = duration.count();
  if (count < 0) {
    const std::int64_t positive = count == std::numeric_limits<std::int64_t>::min() ? -(count + 1) : -count;
    return text("-", format_duration(std::chrono::nanoseconds(positive)));
  }
  const auto ns = static_cast<std::uint64_t>(count);
  if (ns == 0) return "0 s";
  if (ns < kSecond) {
    const std::uint64_t ms = ns / kMega;
    return ms > 0 ? text(ms, " ms") : "under 1 ms";
  }
  const double seconds = static_cast<double>(ns) / static_cast<double>(kSecond);
  if (seconds < 59.95) return text(with_decimals(seconds, 1), " s");
  const auto total = static_cast<std::uint64_t>(std::llround(seconds));
  if (total < 3600) return text(total / 60, " m ", two_digits(total % 60), " s");
  if (total < 86400) return text(total / 3600, " h ", two_digits(total / 60 % 60), " m");
  return text(total / 86400, " d ", total / 3600 % 24, " h");
}

}  // namespace arenacache::base
