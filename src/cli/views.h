// SPDX-License-Identifier: Apache-2.0
// Views: the daemon's answers as a person reads them. Pure: JSON in, text out.
// Promises: a field that is missing is left out of the view; one of a wrong type throws nlohmann::json::exception.
// Threads: any. Never: asks, prints.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "style.h"

namespace arenacache::cli {

/// `stats`'s answer: mode, mounts, stores, what was read and copied, and what is wrong.
[[nodiscard]] std::string stats_view(const nlohmann::json& stats, Style style);

/// `ls`'s objects, a line each, and their sum. `now_s`: seconds since 1970, for "used 3 h ago".
[[nodiscard]] std::string ls_view(const nlohmann::json& objects, std::int64_t now_s, Style style);

/// An `estimate` that has ended: its files, a line each, and their sum.
[[nodiscard]] std::string estimate_view(const nlohmann::json& job, Style style);

/// A tier's lines for `stats`, below its bar: what a packed one saves; what the raw one saves by sharing, if anything.
[[nodiscard]] std::string packed_view(const nlohmann::json& tier);

/// "just now", "5 m ago", "3 h ago", "12 d ago", "never" (0).
[[nodiscard]] std::string format_ago(std::int64_t then_s, std::int64_t now_s);

/// "1 file", "12 files".
[[nodiscard]] std::string format_number(std::uint64_t count, const std::string& noun);

}  // namespace arenacache::cli
