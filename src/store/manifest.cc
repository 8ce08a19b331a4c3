// SPDX-License-Identifier: Apache-2.0
#include "manifest.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/store/chunk.h"
#include "chunk_file.h"
#include "little_endian.h"
#include "object_record.h"

namespace arenacache::store {

namespace {

// docs/on-disk.md, "A packed tier", has every byte.
constexpr RecordKind kManifestKind = {.magic = "arenapak", .noun = "a manifest"};
constexpr std::size_t kChunkBytes = 44;
constexpr std::size_t kFingerprintBytes = 13;  ///< without the sample
constexpr std::size_t kChecksumBytes = kRecordChecksumBytes;

std::unexpected<base::Error> corrupt_manifest(std::string_view why) { return corrupt_record(kManifestKind, why); }

base::Result<ManifestChunk> take_chunk(LittleEndianReader& in) {
  ManifestChunk out;
  out.hash = take_hash(in);
  out.bytes = in.take<std::uint32_t>();
  out.disk_bytes = in.take<std::uint32_t>();
  const ManifestChunk::Base base{.hash = take_hash(in), .disk_bytes = in.take<std::uint32_t>()};
  if (out.bytes == 0 || out.bytes > kMaxChunkBytes)
    return corrupt_manifest(base::text("a chunk of ", out.bytes, " bytes"));
  if (out.disk_bytes > kMaxDiskBytes || base.disk_bytes > kMaxDiskBytes)
    return corrupt_manifest("a chunk's file is too large");
  if (base == ManifestChunk::Base{}) return out;
  if (base.hash == ChunkHash{} || base.hash == out.hash) return corrupt_manifest("a chunk has no such base");
  out.base = base;
  return out;
}

bool is_width(std::uint8_t width) { return width <= sizeof(std::uint64_t) && std::has_single_bit(width); }

/// @param least the number that its first chunk must have at least.
base::Result<TensorFingerprint> take_fingerprint(LittleEndianReader& in, std::uint32_t least, std::uint32_t chunks) {
  if (in.rest_bytes() < kFingerprintBytes + kChecksumBytes) return corrupt_manifest("its lengths do not add up");
  TensorFingerprint out;
  out.key = in.take<std::uint64_t>();
  out.first_chunk = in.take<std::uint32_t>();
  out.width = in.take<std::uint8_t>();
  if (out.first_chunk < least || out.first_chunk >= chunks)
    return corrupt_manifest("a tensor begins in no chunk of its own");
  if (!is_width(out.width)) return corrupt_manifest(base::text("numbers of ", out.width, " bytes"));
  const std::size_t sample = kSampleNumbers * out.width;
  if (in.rest_bytes() < sample + kChecksumBytes) return corrupt_manifest("its lengths do not add up");
  const auto bytes = in.take_bytes(sample);
  out.sample.assign(bytes.begin(), bytes.end());
  return out;
}

base::Result<void> take_chunks(LittleEndianReader& in, std::uint32_t count, Manifest& out) {
  if (in.rest_bytes() / kChunkBytes < count) return corrupt_manifest("its lengths do not add up");
  out.chunks.reserve(count);
  std::uint64_t size = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    AC_ASSIGN(ManifestChunk chunk, take_chunk(in));
    size += chunk.bytes;
    out.chunks.push_back(chunk);
  }
  if (size != out.origin.size) return corrupt_manifest("its chunks are not as many bytes as its object");
  return {};
}

}  // namespace

std::vector<std::byte> encode_manifest(const Manifest& manifest) {
  std::size_t own = manifest.chunks.size() * kChunkBytes;
  for (const TensorFingerprint& tensor : manifest.tensors) {
    AC_CHECK(is_width(tensor.width) && tensor.sample.size() == kSampleNumbers * tensor.width);
    own += kFingerprintBytes + tensor.sample.size();
  }
  const std::size_t total = record_bytes(manifest.origin, own);
  LittleEndianWriter out(total);
  put_record(kManifestKind,
             {.id = manifest.id,
              .origin = manifest.origin,
              .first = static_cast<std::uint32_t>(manifest.chunks.size()),
              .second = static_cast<std::uint32_t>(manifest.tensors.size())},
             total, out);
  for (const ManifestChunk& chunk : manifest.chunks) {
    const ManifestChunk::Base base = chunk.base.value_or(ManifestChunk::Base{});
    out.put(chunk.hash.high);
    out.put(chunk.hash.low);
    out.put(chunk.bytes);
    out.put(chunk.disk_bytes);
    out.put(base.hash.high);
    out.put(base.hash.low);
    out.put(base.disk_bytes);
  }
  for (const TensorFingerprint& tensor : manifest.tensors) {
    out.put(tensor.key);
    out.put(tensor.first_chunk);
    out.put(tensor.width);
    out.put(std::span<const std::byte>(tensor.sample));
  }
  end_record(out);
  AC_CHECK(out.bytes().size() == total);
  return std::move(out.bytes());
}

base::Result<Manifest> decode_manifest(std::span<const std::byte> bytes) {
  LittleEndianReader in(bytes);
  AC_ASSIGN(RecordHead head, take_record(kManifestKind, bytes, in));
  const std::uint32_t chunks = head.first, tensors = head.second;
  Manifest out;
  out.id = head.id;
  out.origin = std::move(head.origin);
  AC_TRY(take_chunks(in, chunks, out));
  if (tensors > chunks) return corrupt_manifest("it has more tensors than chunks");
  std::uint32_t least = 0;
  for (std::uint32_t i = 0; i < tensors; ++i) {
    AC_ASSIGN(TensorFingerprint tensor, take_fingerprint(in, least, chunks));
    least = tensor.first_chunk + 1;
    out.tensors.push_back(std::move(tensor));
  }
  if (in.rest_bytes() != kChecksumBytes) return corrupt_manifest("its lengths do not add up");
  return out;
}

}  // namespace arenacache::store
