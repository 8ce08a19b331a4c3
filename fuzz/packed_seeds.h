// SPDX-License-Identifier: Apache-2.0
// Good inputs for manifest_fuzz. Promises: the same ones each time.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace arenacache::fuzz {

/// Names and inputs: manifests with and without differences and tensors, and heads of chunks.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> packed_seeds();

}  // namespace arenacache::fuzz
