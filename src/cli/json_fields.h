// SPDX-License-Identifier: Apache-2.0
// What the views take from the daemon's answers. Threads: any; pure.
#pragma once

#include <cstdint>

#include <nlohmann/json_fwd.hpp>

namespace arenacache::cli {

/// The number at `key`; 0 where there is none. One of a wrong type throws nlohmann::json::exception.
[[nodiscard]] std::uint64_t number_at(const nlohmann::json& from, const char* key);

}  // namespace arenacache::cli
