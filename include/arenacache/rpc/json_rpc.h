// SPDX-License-Identifier: Apache-2.0
// JSON-RPC 2.0 as text: requests in, answers out, no socket. Source: jsonrpc.org/specification.
// Promises: whatever bytes come in, an answer comes out and nothing is thrown; parameters are given by name (an object);
// batches of up to kMaxBatch requests; notifications (no id) are run and not answered. Text that is no UTF-8 in a result
// (a file's name) is sent with U+FFFD in place of each bad byte.
// Threads: any; a MethodTable is not changed once it serves. Never: knows what a method does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/base/result.h"

namespace arenacache::rpc {

/// The specification's codes, and one of ours (-32000) for a method that failed for another reason than its parameters.
enum class ErrorCode : std::int32_t {
  parse_error = -32700,
  invalid_request = -32600,
  method_not_found = -32601,
  invalid_params = -32602,
  internal_error = -32603,
  method_failed = -32000,
};

inline constexpr std::size_t kMaxBatch = 64;
/// Deeper JSON is refused before it is parsed: a megabyte of brackets would take a hundred times that in memory.
inline constexpr int kMaxNesting = 32;

/// What is run for a request. `params` is an object (empty when the request has none). ErrorKind::invalid becomes
/// invalid_params; every other kind method_failed, with the kind's name and errno in error.data. Must end in bounded time.
using Method = std::function<base::Result<nlohmann::json>(const nlohmann::json& params)>;

/// What a method does to the daemon's state; sets: it changes something when it has parameters, else it only looks.
enum class Effect : std::uint8_t { looks, sets, changes };

class MethodTable {
 public:
  struct Entry {
    Method method;
    Effect effect = Effect::looks;
  };
  /// A method of the same name is replaced.
  void add(std::string name, Method method, Effect effect = Effect::looks);
  /// Null when there is none of that name.
  [[nodiscard]] const Entry* find(const std::string& name) const;

 private:
  std::map<std::string, Entry> methods_;
};

/// Told the name of each method that will change something, before it is run.
using ChangeNotice = std::function<void(std::string_view method)>;

/// Runs the request or batch in `line`; returns the answer without a line end, empty when none is due (notifications).
/// An answer longer than `max_answer_bytes` is replaced by an error that says so.
[[nodiscard]] std::string answer_line(const MethodTable& methods, std::string_view line, std::size_t max_answer_bytes,
                                      const ChangeNotice& on_change = {});

/// An error that belongs to no request (id null).
[[nodiscard]] std::string error_line(ErrorCode code, std::string_view message);

/// ErrorKind::invalid when `params` holds text that is no UTF-8.
[[nodiscard]] base::Result<std::string> request_line(std::uint64_t id, std::string_view method,
                                                     const nlohmann::json& params);

/// The result in the answer to request `id`. An error in it keeps its sentence, its kind and its errno;
/// ErrorKind::corrupt when `line` is no answer to that request.
[[nodiscard]] base::Result<nlohmann::json> read_answer(std::uint64_t id, std::string_view line);

}  // namespace arenacache::rpc
