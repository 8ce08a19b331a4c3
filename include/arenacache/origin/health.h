// SPDX-License-Identifier: Apache-2.0
// Health: what an origin's calls and probes have told of it. Docs: docs/architecture.md, "When the origin does not answer".
// Threads: values.
#pragma once

#include <cstdint>
#include <string_view>

#include "arenacache/base/clock.h"
#include "arenacache/base/result.h"

namespace arenacache::origin {

enum class Health : std::uint8_t {
  up,  ///< calls come back
  degraded,  ///< some do not: one missed its deadline and no probe has told more yet, or threads are lost
  down,  ///< nor does a probe
};

struct OriginHealth {
  Health health = Health::up;
  base::TimePoint since;  ///< of that health
  bool is_answering = true;  ///< calls of what is not known are made; else they are refused at once
  base::Error why;  ///< what was last wrong; empty where nothing was
};

/// "up", "degraded", "down".
[[nodiscard]] std::string_view to_string(Health health);

/// The origin could not be asked, rather than said no: what a network file system answers when its line is down.
/// Source: sshfs, NFS and CIFS as observed.
[[nodiscard]] bool is_connection_error(const base::Error& error);

}  // namespace arenacache::origin
