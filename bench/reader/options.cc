// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>
#include <system_error>

#include "arenacache/base/text.h"

namespace arenacache::bench {
namespace {

using base::ErrorKind;
using base::fail;
using base::Result;

constexpr std::uint64_t kMaxThreads = 256;
constexpr std::uint64_t kMaxBlock = 1ULL << 30U;

std::optional<std::uint64_t> number_of(std::string_view digits) {
  std::uint64_t value = 0;
  const char* const begin = digits.data();
  const char* const end = begin + digits.size();
  const auto parsed = std::from_chars(begin, end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

struct Number {
  std::string_view key;
  std::uint64_t Options::* field;
};
constexpr std::array<Number, 9> kNumbers{{{"block", &Options::block_bytes},
                                          {"length", &Options::length_bytes},
                                          {"tensor", &Options::tensor_bytes},
                                          {"count", &Options::count},
                                          {"seed", &Options::seed},
                                          {"threads", &Options::threads},
                                          {"passes", &Options::passes},
                                          {"warmups", &Options::warmups},
                                          {"advise_every", &Options::advise_every}}};

struct Switch {
  std::string_view key;
  bool Options::* field;
};
constexpr std::array<Switch, 3> kSwitches{
    {{"sum", &Options::sum}, {"direct", &Options::direct}, {"gate", &Options::gate}}};

/// False: no such key.
bool set(Options& options, std::string_view key, std::uint64_t value) {
  if (key == "limit_ms") {
    options.limit = std::chrono::milliseconds(value);
    return true;
  }
  for (const Number& number : kNumbers) {
    if (number.key != key) continue;
    options.*number.field = value;
    return true;
  }
  for (const Switch& each : kSwitches) {
    if (each.key != key) continue;
    options.*each.field = value != 0;
    return true;
  }
  return false;
}

Result<void> check(const Options& options) {
  const auto wrong = [](std::string what) { return fail(ErrorKind::invalid, EINVAL, std::move(what)); };
  if (options.block_bytes == 0 || options.block_bytes > kMaxBlock) return wrong("block must be 1 byte to 1 GiB");
  if (options.tensor_bytes == 0 || options.tensor_bytes > kMaxBlock) return wrong("tensor must be 1 byte to 1 GiB");
  if (options.threads == 0 || options.threads > kMaxThreads) return wrong("threads must be 1 to 256");
  if (options.passes == 0) return wrong("passes must be 1 or more");
  return {};
}

}  // namespace

Result<Options> parse_options(std::span<char*> arguments) {
  Options options;
  if (arguments.size() < 2)
    return fail(ErrorKind::invalid, EINVAL, "usage: bench_reader WORK KEY=NUMBER... -- FILE...");
  options.work = arguments[1];
  std::size_t next = 2;
  for (; next < arguments.size() && std::string_view(arguments[next]) != "--"; ++next) {
    const std::string_view argument = arguments[next];
    const std::size_t equals = argument.find('=');
    const auto value = equals == std::string_view::npos ? std::nullopt : number_of(argument.substr(equals + 1));
    if (!value || !set(options, argument.substr(0, equals), *value)) {
      return fail(ErrorKind::invalid, EINVAL, base::text("cannot understand ", argument));
    }
  }
  for (++next; next < arguments.size(); ++next) options.files.emplace_back(arguments[next]);
  AC_TRY(check(options));
  return options;
}

}  // namespace arenacache::bench
