// SPDX-License-Identifier: Apache-2.0
#include "packed_seeds.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/store/chunk.h"
#include "arenacache/store/ids.h"
#include "chunk_file.h"
#include "manifest.h"

namespace arenacache::fuzz {

namespace {

std::string text_of(std::span<const std::byte> bytes) {
  std::string out;
  for (const std::byte byte : bytes) out.push_back(static_cast<char>(byte));
  return out;
}

/// Every second chunk is a difference, every one begins a tensor.
std::string manifest(std::uint32_t chunks) {
  store::Manifest made{.id = store::ObjectId{7},
                       .origin = {.source = "models", .path = "loras/style.safetensors", .inode = 11},
                       .chunks = {},
                       .tensors = {}};
  for (std::uint32_t i = 0; i < chunks; ++i) {
    store::ManifestChunk& chunk = made.chunks.emplace_back();
    chunk = {.hash = {.high = i, .low = 1}, .bytes = 1000 + i, .disk_bytes = 4096, .base = {}};
    if (i % 2 == 1) chunk.base = store::ManifestChunk::Base{.hash = {.high = i, .low = 2}, .disk_bytes = 8192};
    made.origin.size += chunk.bytes;
    const auto width = static_cast<std::uint8_t>(1U << (i % 4));
    made.tensors.push_back(
        {.key = i, .first_chunk = i, .width = width, .sample = std::vector<std::byte>(store::kSampleNumbers * width)});
  }
  return text_of(store::encode_manifest(made));
}

std::string chunk_head(bool has_base) {
  const auto base = has_base ? std::optional(store::ChunkHash{.high = 3, .low = 4}) : std::nullopt;
  return text_of(
      store::encode_chunk_head({.hash = {.high = 1, .low = 2}, .base = base, .bytes = 100, .frame_bytes = 90}));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> packed_seeds() {
  return {{"empty", manifest(0)},
          {"one", manifest(1)},
          {"many", manifest(9)},
          {"chunk", chunk_head(false)},
          {"difference", chunk_head(true)}};
}

}  // namespace arenacache::fuzz
