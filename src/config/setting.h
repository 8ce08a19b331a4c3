// SPDX-License-Identifier: Apache-2.0
// What was written, before it is put together: settings of the file and of the command line, each with its place.
// Threads: values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/config/options.h"

namespace arenacache::config {

struct Setting {
  const Option* option = nullptr;
  OptionValue value;
  std::string place;  ///< "/etc/arenacache/config.toml:12", or the flag as it was given
};

/// One [[tier]] or [[mount]].
struct TableSettings {
  std::string place;  ///< where it begins
  std::vector<Setting> settings;
};

struct Document {
  std::vector<Setting> settings;
  std::vector<TableSettings> tiers;
  std::vector<TableSettings> mounts;
};

/// `PLACE: what`, of ErrorKind::invalid.
[[nodiscard]] inline std::unexpected<base::Error> refuse(std::string_view place, std::string_view what) {
  return base::fail(base::ErrorKind::invalid, 0, base::text(place, ": ", what));
}

}  // namespace arenacache::config
