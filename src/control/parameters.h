// SPDX-License-Identifier: Apache-2.0
// Parameters of a method, taken out of its JSON. Each is checked; ErrorKind::invalid with a sentence that names it.
// Threads: any.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/base/result.h"

namespace arenacache::control {

/// "parameter "NAME" is WHAT", where `what` says what it should be.
[[nodiscard]] std::unexpected<base::Error> wrong_parameter(std::string_view name, std::string_view what);

/// The list `paths`; it must be there, and not empty.
[[nodiscard]] base::Result<std::vector<std::string>> paths_in(const nlohmann::json& params);
/// The string `name`, or nothing where it is not given.
[[nodiscard]] base::Result<std::optional<std::string>> word_in(const nlohmann::json& params, const char* name);
/// A boolean parameter; false when it is not there.
[[nodiscard]] base::Result<bool> flag_in(const nlohmann::json& params, const char* name);
/// A whole number; `otherwise` when it is not there, an error where that is nothing.
[[nodiscard]] base::Result<std::uint64_t> number_in(const nlohmann::json& params, const char* name,
                                                    std::optional<std::uint64_t> otherwise);

}  // namespace arenacache::control
