// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as what a client sends to the control socket, and as what a server answers. The first byte says in
// pieces of how many bytes they come.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/result.h"
#include "arenacache/rpc/framing.h"
#include "arenacache/rpc/json_rpc.h"

namespace {

using namespace arenacache;
using nlohmann::json;

constexpr std::size_t kMaxLine = 512;
/// As the server's: several times what a line may have, so that an answer that repeats one fits.
constexpr std::size_t kMaxAnswer = 16 * kMaxLine;

const rpc::MethodTable& methods() {
  static const rpc::MethodTable table = [] {
    rpc::MethodTable made;
    made.add("echo", [](const json& params) -> base::Result<json> { return params; });
    made.add("long", [](const json&) -> base::Result<json> { return std::string(2 * kMaxAnswer, '\xFF'); });
    made.add(
        "fail",
        [](const json& params) -> base::Result<json> { return base::fail(base::ErrorKind::origin, 5, params.dump()); },
        rpc::Effect::sets);
    made.add(
        "throw", [](const json& params) -> base::Result<json> { throw std::runtime_error(params.dump()); },
        rpc::Effect::changes);
    return made;
  }();
  return table;
}

void check_answer(std::string_view line) {
  const std::string answer = rpc::answer_line(methods(), line, kMaxAnswer, [](std::string_view) {});
  AC_CHECK(!answer.contains('\n'));
  if (line.size() <= kMaxLine) AC_CHECK(answer.size() <= kMaxAnswer);
  if (answer.empty()) return;
  const json parsed = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  AC_CHECK(parsed.is_object() || parsed.is_array());
  static_cast<void>(rpc::read_answer(1, answer));
}

/// The lines that `bytes` hold, as who has all of them at once would cut them; up to one that is too long.
std::vector<std::string> cut(std::string_view bytes) {
  std::vector<std::string> lines;
  for (std::size_t end = 0; (end = bytes.find('\n')) != std::string_view::npos && end <= kMaxLine;) {
    std::string_view line = bytes.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    bytes.remove_prefix(end + 1);
  }
  return lines;
}

void check_framing(std::string_view bytes, std::size_t piece) {
  rpc::LineBuffer buffer(kMaxLine);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < bytes.size() && !buffer.is_overlong(); at += piece) {
    buffer.append(bytes.substr(at, piece));
    while (auto line = buffer.take_line()) lines.push_back(std::move(*line));
  }
  AC_CHECK(lines == cut(bytes));
  for (const std::string& line : lines) check_answer(line);
  if (const auto rest = buffer.take_rest()) check_answer(*rest);
}

/// What is sent as parameters is what the other side's method is given.
void check_request(std::string_view bytes) {
  const json params = json::parse(bytes, nullptr, /*allow_exceptions=*/false);
  if (!params.is_object()) return;
  const auto request = rpc::request_line(7, "echo", params);
  if (!request) return;
  const auto answer = rpc::read_answer(7, rpc::answer_line(methods(), *request, request->size() + kMaxAnswer));
  AC_CHECK(!answer || *answer == params);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string bytes(data + 1, data + size);
  check_framing(bytes, std::size_t{data[0]} + 1);
  check_answer(bytes);
  check_request(bytes);
  static_cast<void>(rpc::read_answer(1, bytes));
  return 0;
}
