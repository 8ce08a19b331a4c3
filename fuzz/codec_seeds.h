// SPDX-License-Identifier: Apache-2.0
// Good inputs for codec_fuzz. Promises: the same ones each time.
#pragma once

#include <string>
#include <vector>

namespace arenacache::fuzz {

struct CodecSeed {
  std::string name;
  std::string input;
};

/// Frames, their bodies and blocks, of every way of storing a plane.
[[nodiscard]] std::vector<CodecSeed> codec_seeds();

}  // namespace arenacache::fuzz
