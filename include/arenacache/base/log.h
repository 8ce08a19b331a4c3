// SPDX-License-Identifier: Apache-2.0
// The log: one line an event that an owner cares for, never one on the read path. spdlog stays behind log.cc.
// Lines go to stderr; under systemd with journald's priority prefix (<6>), on a terminal with time and level.
// Threads: any. Before log_open(): level info, stderr.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace arenacache::base {

enum class LogLevel : std::uint8_t { debug, info, warn, error, off };

/// "debug", "info", "warn", "error", "off"; nothing for another word.
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view word);

/// Sets level and prefix; may be called again (SIGHUP).
void log_open(LogLevel level, std::string_view process_name);
[[nodiscard]] bool log_enabled(LogLevel level);
void log_debug(std::string_view line);
void log_info(std::string_view line);
void log_warn(std::string_view line);
void log_error(std::string_view line);

}  // namespace arenacache::base
