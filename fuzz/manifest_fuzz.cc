// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a packed object's manifest and as the head of a chunk's file: as they are, and with the length and the
// checksum that they should have, so that what lies behind these is reached. What decodes must encode to the same bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "chunk_file.h"
#include "manifest.h"

namespace {

using namespace arenacache;

constexpr std::size_t kNumberBytes = sizeof(std::uint64_t);
/// Where a manifest's length stands: docs/on-disk.md, "A packed tier".
constexpr std::size_t kLengthAt = 16;

void put_number(std::span<std::byte> at, std::uint64_t value) {
  for (std::size_t i = 0; i < kNumberBytes; ++i) at[i] = static_cast<std::byte>((value >> (8 * i)) & 0xFFU);
}

void seal(std::span<std::byte> bytes) {
  put_number(bytes.last(kNumberBytes), base::xxh3_64(bytes.first(bytes.size() - kNumberBytes)));
}

void check_manifest(const std::vector<std::byte>& bytes) {
  const auto manifest = store::decode_manifest(bytes);
  if (!manifest) {
    AC_CHECK(manifest.error().kind == base::ErrorKind::corrupt);
    return;
  }
  AC_CHECK(std::ranges::equal(store::encode_manifest(*manifest), bytes));
}

void check_head(std::span<const std::byte> bytes) {
  const auto head = store::decode_chunk_head(bytes);
  if (!head) {
    AC_CHECK(head.error().kind == base::ErrorKind::corrupt);
    return;
  }
  AC_CHECK(std::ranges::equal(store::encode_chunk_head(*head), bytes.first(store::kChunkHeadBytes)));
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(input.begin(), input.end());
  check_manifest(bytes);
  check_head(bytes);
  if (bytes.size() >= store::kChunkHeadBytes) {
    std::vector<std::byte> head = bytes;
    seal(std::span(head).first(store::kChunkHeadBytes));
    check_head(head);
  }
  if (bytes.size() < kLengthAt + 2 * kNumberBytes) return 0;
  put_number(std::span(bytes).subspan(kLengthAt), bytes.size());
  seal(bytes);
  check_manifest(bytes);
  return 0;
}
