// SPDX-License-Identifier: Apache-2.0
#include "arenacache/rpc/json_rpc.h"

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "arenacache/base/text.h"

namespace arenacache::rpc {

using base::Error;
using base::ErrorKind;
using base::fail;
using base::Result;
using base::text;
using nlohmann::json;

namespace {

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

/// Counts brackets outside strings; wrong JSON may count wrong, the parser then refuses it.
bool is_nested_too_deep(std::string_view line) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxNesting) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

json error_answer(json id, ErrorCode code, std::string_view message) {
  return {{"jsonrpc", "2.0"},
          {"id", std::move(id)},
          {"error", {{"code", static_cast<std::int32_t>(code)}, {"message", std::string(message)}}}};
}

json failed_answer(json id, const Error& error) {
  const ErrorCode code = error.kind == ErrorKind::invalid ? ErrorCode::invalid_params : ErrorCode::method_failed;
  json answer = error_answer(std::move(id), code, error.what);
  answer["error"]["data"] = {{"kind", std::string(base::to_string(error.kind))}, {"errno", error.errno_value}};
  return answer;
}

/// What makes `request` unusable, before its method is looked for.
std::optional<std::string> request_fault(const json& request) {
  if (!request.is_object()) return "a request is an object";
  if (request.value("jsonrpc", json()) != "2.0") return R"(a request says "jsonrpc": "2.0")";
  if (!request.contains("method") || !request["method"].is_string()) return R"(a request has a "method", a string)";
  if (request.contains("params") && !request["params"].is_structured()) return R"("params" is an object)";
  return std::nullopt;
}

/// The request's id where it has a usable one, else null.
json id_of(const json& request) {
  if (!request.is_object() || !request.contains("id")) return nullptr;
  const json& id = request["id"];
  return id.is_string() || id.is_number() ? id : json(nullptr);
}

json run_method(const Method& method, json id, const json& params) {
  try {
    Result<json> result = method(params);
    if (!result) return failed_answer(std::move(id), result.error());
    return {{"jsonrpc", "2.0"}, {"id", std::move(id)}, {"result", std::move(*result)}};
  } catch (const std::exception& exception) {
    return error_answer(std::move(id), ErrorCode::internal_error, text("internal error: ", exception.what()));
  }
}

bool will_change(Effect effect, const json& params) {
  return effect == Effect::changes || (effect == Effect::sets && !params.empty());
}

/// Nothing for a notification.
std::optional<json> answer_one(const MethodTable& methods, const json& request, const ChangeNotice& on_change) {
  json id = id_of(request);
  if (const auto fault = request_fault(request)) {
    return error_answer(std::move(id), ErrorCode::invalid_request, "invalid request: " + *fault);
  }
  const bool is_notification = !request.contains("id");
  const auto name = request["method"].get<std::string>();
  const json params = request.contains("params") ? request["params"] : json::object();
  std::optional<json> answer;
  if (const MethodTable::Entry* entry = methods.find(name); entry == nullptr) {
    answer = error_answer(std::move(id), ErrorCode::method_not_found, text("there is no method \"", name, "\""));
  } else if (!params.is_object()) {
    answer = error_answer(std::move(id), ErrorCode::invalid_params, "parameters are given by name, in an object");
  } else {
    if (on_change && will_change(entry->effect, params)) on_change(name);
    answer = run_method(entry->method, std::move(id), params);
  }
  if (is_notification) answer.reset();
  return answer;
}

std::string answer_batch(const MethodTable& methods, const json& batch, const ChangeNotice& on_change) {
  if (batch.empty()) return error_line(ErrorCode::invalid_request, "invalid request: the batch is empty");
  if (batch.size() > kMaxBatch) {
    return error_line(ErrorCode::invalid_request,
                      text("invalid request: a batch holds at most ", kMaxBatch, " requests"));
  }
  json answers = json::array();
  for (const json& request : batch) {
    if (auto answer = answer_one(methods, request, on_change)) answers.push_back(std::move(*answer));
  }
  return answers.empty() ? std::string() : dump(answers);
}

ErrorKind kind_named(std::string_view name) {
  constexpr std::array kKinds = {ErrorKind::origin,   ErrorKind::timeout, ErrorKind::store,     ErrorKind::corrupt,
                                 ErrorKind::no_space, ErrorKind::stale,   ErrorKind::cancelled, ErrorKind::invalid};
  const auto* const found = std::ranges::find_if(kKinds, [&](ErrorKind kind) { return base::to_string(kind) == name; });
  return found == kKinds.end() ? ErrorKind::invalid : *found;
}

Error error_in(const json& error) {
  const json data = error.value("data", json::object());
  Error out;
  out.what = error.value("message", "the daemon gave no reason");
  if (data.is_object()) {
    out.kind = kind_named(data.value("kind", "invalid"));
    out.errno_value = data.value("errno", 0);
  }
  return out;
}

}  // namespace

void MethodTable::add(std::string name, Method method, Effect effect) {
  methods_[std::move(name)] = {.method = std::move(method), .effect = effect};
}

const MethodTable::Entry* MethodTable::find(const std::string& name) const {
  const auto found = methods_.find(name);
  return found == methods_.end() ? nullptr : &found->second;
}

std::string answer_line(const MethodTable& methods, std::string_view line, std::size_t max_answer_bytes,
                        const ChangeNotice& on_change) {
  if (is_nested_too_deep(line)) return error_line(ErrorCode::parse_error, "parse error: the JSON is nested too deep");
  const json request = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (request.is_discarded()) return error_line(ErrorCode::parse_error, "parse error: the line is not JSON");
  std::string answer;
  if (request.is_array()) {
    answer = answer_batch(methods, request, on_change);
  } else if (const auto one = answer_one(methods, request, on_change)) {
    answer = dump(*one);
  }
  if (answer.size() <= max_answer_bytes) return answer;
  return dump(error_answer(id_of(request), ErrorCode::method_failed,
                           text("the answer is longer than ", max_answer_bytes, " bytes: ask for less at a time")));
}

std::string error_line(ErrorCode code, std::string_view message) { return dump(error_answer(nullptr, code, message)); }

Result<std::string> request_line(std::uint64_t id, std::string_view method, const json& params) {
  const json request = {{"jsonrpc", "2.0"}, {"id", id}, {"method", std::string(method)}, {"params", params}};
  try {
    return request.dump();
  } catch (const json::exception&) {
    return fail(ErrorKind::invalid, 0,
                "a path that is not UTF-8 cannot be sent: name it by a pattern, with ? for each such byte");
  }
}

Result<json> read_answer(std::uint64_t id, std::string_view line) {
  const json answer = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object())
    return fail(ErrorKind::corrupt, 0, "what answers is no arenacached: it does not speak JSON-RPC");
  const auto misfit = [] { return fail(ErrorKind::corrupt, 0, "the daemon's answer does not fit the request"); };
  try {
    if (answer.contains("error")) return std::unexpected(error_in(answer["error"]));
    if (answer.contains("result") && answer.value("id", json()) == json(id)) return answer["result"];
    return misfit();
  } catch (const json::exception&) {
    return misfit();  // a field of a wrong type is as bad as a missing one
  }
}

}  // namespace arenacache::rpc
