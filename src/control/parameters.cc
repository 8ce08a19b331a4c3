// SPDX-License-Identifier: Apache-2.0
#include "parameters.h"

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/text.h"

namespace arenacache::control {

using base::ErrorKind;
using base::fail;
using base::Result;
using base::text;
using nlohmann::json;

std::unexpected<base::Error> wrong_parameter(std::string_view name, std::string_view what) {
  return fail(ErrorKind::invalid, EINVAL, text("parameter \"", name, "\" is ", what));
}

Result<std::vector<std::string>> paths_in(const json& params) {
  const auto found = params.find("paths");
  if (found == params.end() || !found->is_array() || found->empty())
    return wrong_parameter("paths", "a list of paths, not empty");
  std::vector<std::string> out;
  for (const json& path : *found) {
    if (!path.is_string()) return wrong_parameter("paths", "a list of strings");
    out.push_back(path.get<std::string>());
  }
  return out;
}

Result<std::optional<std::string>> word_in(const json& params, const char* name) {
  const auto found = params.find(name);
  if (found == params.end() || found->is_null()) return std::nullopt;
  if (!found->is_string()) return wrong_parameter(name, "a string");
  return found->get<std::string>();
}

Result<bool> flag_in(const json& params, const char* name) {
  const auto found = params.find(name);
  if (found == params.end()) return false;
  if (!found->is_boolean()) return wrong_parameter(name, "true or false");
  return found->get<bool>();
}

Result<std::uint64_t> number_in(const json& params, const char* name, std::optional<std::uint64_t> otherwise) {
  const auto found = params.find(name);
  if (found == params.end() && otherwise) return *otherwise;
  if (found == params.end() || !found->is_number_unsigned()) return wrong_parameter(name, "a whole number");
  return found->get<std::uint64_t>();
}

}  // namespace arenacache::control
