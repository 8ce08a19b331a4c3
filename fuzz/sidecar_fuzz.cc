// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a sidecar: as they are, and with the length and the checksum that they should have, so that what
// lies behind these is reached. What decodes must encode to the same bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/store/sidecar.h"

namespace {

using namespace arenacache;

constexpr std::size_t kNumberBytes = sizeof(std::uint64_t);
/// Where the total length stands: docs/on-disk.md, "The sidecar".
constexpr std::size_t kLengthAt = 16;

void put_number(std::span<std::byte> at, std::uint64_t value) {
  for (std::size_t i = 0; i < kNumberBytes; ++i) at[i] = static_cast<std::byte>((value >> (8 * i)) & 0xFFU);
}

void seal(std::vector<std::byte>& bytes) {
  if (bytes.size() < kLengthAt + 2 * kNumberBytes) return;
  put_number(std::span(bytes).subspan(kLengthAt), bytes.size());
  const auto body = std::span(bytes).first(bytes.size() - kNumberBytes);
  put_number(std::span(bytes).last(kNumberBytes), base::xxh3_64(body));
}

void check(const std::vector<std::byte>& bytes) {
  const auto sidecar = store::decode_sidecar(bytes);
  if (!sidecar) {
    AC_CHECK(sidecar.error().kind == base::ErrorKind::corrupt);
    return;
  }
  sidecar->blocks.check_invariants();
  AC_CHECK(std::ranges::equal(store::encode_sidecar(*sidecar), bytes));
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(input.begin(), input.end());
  check(bytes);
  seal(bytes);
  check(bytes);
  return 0;
}
