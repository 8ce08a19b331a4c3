// SPDX-License-Identifier: Apache-2.0
// The headers of .safetensors and GGUF files: from the first bytes of a file to its table of tensors.
// Promises: pure. A hostile header gives an error value: no crash, no read beyond `head`, no memory beyond a small multiple
// of `head`, time O(n log n) in it. Files are known by their bytes, not by their names.
// Threads: any. Never: does I/O; keeps `head`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/model/tensor_table.h"

namespace arenacache::model {

enum class Format : std::uint8_t { safetensors, gguf, other };

/// How much of a file recognise() looks at.
inline constexpr std::size_t kRecogniseBytes = 9;

// What a header may be at most; everything beyond is an error. Source of the first: safetensors' own limit.
inline constexpr std::uint64_t kMaxSafetensorsHeaderBytes = 100 * base::kMiB;
inline constexpr std::uint64_t kMaxGgufHeaderBytes = 256 * base::kMiB;
inline constexpr std::size_t kMaxTensors = 1'000'000;
inline constexpr std::size_t kMaxNameBytes = 64 * base::kKiB;
inline constexpr std::size_t kMaxDimensions = 8;

/// @param head the file's first kRecogniseBytes bytes or more, or the whole of a shorter file. A shorter head is `other`.
[[nodiscard]] Format recognise(std::span<const std::byte> head, std::uint64_t file_size);

/// The head is too short to tell. head.size() < at_least <= sensible <= file size.
struct NeedMore {
  /// No shorter head can do.
  std::uint64_t at_least = 0;
  /// What to come back with: whoever does is done after few rounds (a GGUF header does not tell its size).
  std::uint64_t sensible = 0;
};

using Reading = std::variant<TensorTable, NeedMore>;

/// Reads the header at the start of a file of `file_size` bytes. `head` is as much of its start as there is; a head that has too
/// little is no error, and one that has more than the header is fine. Each call starts anew, in time linear in the header.
/// Outcomes: table | need more | invalid (no model file, of a version that is not read, or broken: a sentence says what).
[[nodiscard]] base::Result<Reading> read_header(std::span<const std::byte> head, std::uint64_t file_size);

}  // namespace arenacache::model
