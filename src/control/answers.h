// SPDX-License-Identifier: Apache-2.0
// Answers: what the engine says, as the JSON that docs/cli.md describes. Pure. The names are an interface: they stay.
// Threads: any.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/cache/types.h"
#include "arenacache/config/config.h"
#include "arenacache/control/control.h"

namespace arenacache::control {

/// One mount, as `stats` shows it.
struct MountAnswer {
  std::string name;
  std::string source;
  std::string mountpoint;
  std::vector<LinkOut> links_out;
  std::string numbers_json;  ///< an object of vfs's numbers; empty or unreadable: none
};

[[nodiscard]] nlohmann::json stats_answer(const cache::EngineStats& stats, const std::vector<MountAnswer>& mounts,
                                          base::Duration uptime, std::string_view version);
[[nodiscard]] nlohmann::json object_answer(const cache::ObjectInfo& object);
/// What packing one file would save.
[[nodiscard]] nlohmann::json estimate_answer(std::string_view mount, std::string_view path,
                                             const cache::PackEstimate& estimate);
[[nodiscard]] nlohmann::json scrub_answer(const cache::ScrubState& scrub);

/// "active", "use-only", "off".
[[nodiscard]] std::string_view mode_word(config::CacheMode mode);
[[nodiscard]] std::optional<config::CacheMode> mode_of(std::string_view word);

}  // namespace arenacache::control
