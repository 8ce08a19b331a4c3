// SPDX-License-Identifier: Apache-2.0
// "${VAR}" in a string of the file. Threads: any, as long as nobody changes the environment.
#pragma once

#include <string>
#include <string_view>

#include "arenacache/base/result.h"

namespace arenacache::config {

/// `words` with each "${VAR}" replaced by the variable's value, once: what a value holds is not looked at again. An unset
/// variable is an error; one that is set to nothing is nothing. A "$" without "{" is a letter.
[[nodiscard]] base::Result<std::string> expand_environment(std::string_view words);

}  // namespace arenacache::config
