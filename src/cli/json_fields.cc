// SPDX-License-Identifier: Apache-2.0
#include "json_fields.h"

#include <cstdint>

#include <nlohmann/json.hpp>

namespace arenacache::cli {

std::uint64_t number_at(const nlohmann::json& from, const char* key) { return from.value(key, std::uint64_t{0}); }

}  // namespace arenacache::cli
