// SPDX-License-Identifier: Apache-2.0
// AdmissionPolicy: whether what readers did with an object so far is a load (start a background fill) or a look (do not).
// Pure. The pattern counts over all handles of an object, in any order and by any number of threads.
#pragma once

#include <cstdint>

namespace arenacache::policy {

/// What readers touched of one object, in blocks of 1 MiB.
struct AccessPattern {
  std::uint32_t object_blocks = 0;
  std::uint32_t touched_blocks = 0;  ///< distinct
  std::uint32_t touched_middle = 0;  ///< distinct, outside the head and tail regions of AdmissionPolicy
};

/// A header at the head (safetensors, GGUF) or at the tail (zip's directory) is read by model managers and folder scans, and
/// the kernel reads ahead of it: neither is a load. Anything in between, or most of a short object, is.
class AdmissionPolicy {
 public:
  /// Blocks at each end that a header, with the kernel's read-around of a mapping (4 MiB), may touch.
  static constexpr std::uint32_t kEdgeBlocks = 5;
  /// Touches in the middle that make a load; one alone may be a stray read ahead.
  static constexpr std::uint32_t kMiddleTouches = 2;

  [[nodiscard]] static bool is_middle(std::uint32_t block, std::uint32_t object_blocks) {
    return block >= kEdgeBlocks && block + kEdgeBlocks < object_blocks;
  }
  [[nodiscard]] static bool is_load(const AccessPattern& pattern) {
    if (pattern.touched_middle >= kMiddleTouches) return true;
    const bool is_short = pattern.object_blocks <= 2 * kEdgeBlocks + kMiddleTouches;
    return is_short && pattern.touched_blocks * 2 > pattern.object_blocks;
  }
};

}  // namespace arenacache::policy
