// SPDX-License-Identifier: Apache-2.0
// Good inputs for fuse_requests_fuzz: what programs do, as the kernel asks for it.
// Threads: one.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace arenacache::fuzz {

/// Name and input of each.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> request_seeds();

}  // namespace arenacache::fuzz
