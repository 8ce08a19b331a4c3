// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/hash.h"

// Only for the state's size, as it lies in memory of ours.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
// The same functions, for what the processor has: the others are built for the oldest one.
#include <xxh_x86dispatch.h>
#endif

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace arenacache::base {

std::uint64_t xxh3_64(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint64_t xxh3_64(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

Hash128 xxh3_128(std::span<const std::byte> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {.high = hash.high64, .low = hash.low64};
}

struct Xxh3::State {
  XXH3_state_t xxhash;
};

Xxh3::Xxh3() : state_(std::make_unique<State>()) { reset(); }
Xxh3::~Xxh3() = default;

// None of the library's calls can fail with a state that is there.
void Xxh3::reset() { static_cast<void>(XXH3_64bits_reset(&state_->xxhash)); }
void Xxh3::update(std::span<const std::byte> bytes) {
  static_cast<void>(XXH3_64bits_update(&state_->xxhash, bytes.data(), bytes.size()));
}
std::uint64_t Xxh3::value() const { return XXH3_64bits_digest(&state_->xxhash); }

}  // namespace arenacache::base
