// SPDX-License-Identifier: Apache-2.0
#include "archive_files.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace arenacache::test {

namespace {

void put_field(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (; bytes > 0; --bytes, value >>= 8U) out.push_back(static_cast<char>(value & 0xFFU));
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80U; value >>= 7U) out.push_back(static_cast<char>((value & 0x7FU) | 0x80U));
  out.push_back(static_cast<char>(value));
}

void put_number(std::string& out, unsigned field, std::uint64_t value) {
  put_varint(out, std::uint64_t{field} << 3U);
  put_varint(out, value);
}

void put_bytes(std::string& out, unsigned field, std::string_view bytes) {
  put_varint(out, (std::uint64_t{field} << 3U) | 2U);
  put_varint(out, bytes.size());
  out += bytes;
}

constexpr std::uint64_t kElsewhere = 0xFFFFFFFF;

/// Before an entry's bytes, padded so that those begin at a multiple of 64.
std::string local_header(const ArchiveEntry& entry, std::size_t offset) {
  constexpr std::size_t kFixed = 30;
  constexpr std::size_t kAlignment = 64;
  const std::size_t begin = offset + kFixed + entry.name.size() + 4;
  const std::size_t padding = (kAlignment - begin % kAlignment) % kAlignment;
  std::string out;
  put_field(out, 0x04034b50, 4);
  put_field(out, 20, 2);
  put_field(out, 0, 2);
  put_field(out, entry.is_compressed ? 8 : 0, 2);
  put_field(out, 0, 8);
  put_field(out, entry.bytes.size(), 4);
  put_field(out, entry.bytes.size(), 4);
  put_field(out, entry.name.size(), 2);
  put_field(out, padding + 4, 2);
  out += entry.name + "FB";
  put_field(out, padding, 2);
  return out + std::string(padding, 'Z');
}

std::string directory_row(const ArchiveEntry& entry, std::uint64_t offset, ZipNumbers numbers) {
  const bool is_long = numbers == ZipNumbers::zip64;
  std::string extra;
  if (is_long) {
    put_field(extra, 0x4246, 2);
    put_field(extra, 1, 2);
    extra += 'Z';
    put_field(extra, 1, 2);
    put_field(extra, 24, 2);
    put_field(extra, entry.bytes.size(), 8);
    put_field(extra, entry.bytes.size(), 8);
    put_field(extra, offset, 8);
  }
  std::string out;
  put_field(out, 0x02014b50, 4);
  put_field(out, 20, 2);
  put_field(out, 20, 2);
  put_field(out, 0, 2);
  put_field(out, entry.is_compressed ? 8 : 0, 2);
  put_field(out, 0, 8);
  put_field(out, is_long ? kElsewhere : entry.bytes.size(), 4);
  put_field(out, is_long ? kElsewhere : entry.bytes.size(), 4);
  put_field(out, entry.name.size(), 2);
  put_field(out, extra.size(), 2);
  put_field(out, 0, 10);
  put_field(out, is_long ? kElsewhere : offset, 4);
  return out + entry.name + extra;
}

std::uint16_t bf16_of(float value) { return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16U); }

/// Cut, not rounded; numbers that are no normal f16 become 0.
std::uint16_t f16_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto exponent = static_cast<int>((bits >> 23U) & 0xFFU) - 127 + 15;
  const std::uint32_t sign = (bits >> 16U) & 0x8000U;
  if (exponent <= 0 || exponent >= 31) return static_cast<std::uint16_t>(sign);
  return static_cast<std::uint16_t>(sign | (static_cast<std::uint32_t>(exponent) << 10U) | ((bits >> 13U) & 0x3FFU));
}

}  // namespace

std::string zip_archive(const std::vector<ArchiveEntry>& entries, ZipNumbers numbers) {
  std::string out;
  std::string directory;
  for (const ArchiveEntry& entry : entries) {
    directory += directory_row(entry, out.size(), numbers);
    out += local_header(entry, out.size()) + entry.bytes;
  }
  const std::uint64_t begin = out.size();
  const bool is_long = numbers == ZipNumbers::zip64;
  out += directory;
  const std::uint64_t end = out.size();
  if (is_long) {
    put_field(out, 0x06064b50, 4);
    put_field(out, 44, 8);
    put_field(out, 0, 12);
    put_field(out, entries.size(), 8);
    put_field(out, entries.size(), 8);
    put_field(out, directory.size(), 8);
    put_field(out, begin, 8);
    put_field(out, 0x07064b50, 4);
    put_field(out, 0, 4);
    put_field(out, end, 8);
    put_field(out, 1, 4);
  }
  put_field(out, 0x06054b50, 4);
  put_field(out, 0, 4);
  put_field(out, entries.size(), 2);
  put_field(out, entries.size(), 2);
  put_field(out, is_long ? kElsewhere : directory.size(), 4);
  put_field(out, is_long ? kElsewhere : begin, 4);
  put_field(out, 0, 2);
  return out;
}

std::string onnx_model(const std::vector<OnnxTensor>& tensors) {
  std::string graph;
  for (const OnnxTensor& tensor : tensors) {
    std::string message;
    put_number(message, 1, tensor.bytes.size());
    put_number(message, 2, tensor.data_type);
    if (!tensor.is_constant) put_bytes(message, 8, tensor.name);
    put_bytes(message, 9, tensor.bytes);
    if (tensor.is_constant) {
      std::string attribute;
      put_bytes(attribute, 1, "value");
      put_bytes(attribute, 5, message);
      std::string node;
      put_bytes(node, 2, tensor.name);
      put_bytes(node, 4, "Constant");
      put_bytes(node, 5, attribute);
      put_bytes(graph, 1, node);
    } else {
      put_bytes(graph, 5, message);
    }
  }
  put_bytes(graph, 2, "graph");
  std::string out;
  put_number(out, 1, 8);
  put_bytes(out, 2, "exporter");
  put_bytes(out, 7, graph);
  put_bytes(out, 8, std::string_view("\x10\x11", 2));
  return out;
}

std::string float_bytes(FloatKind kind, std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    const float value = normal(random) * std::exp2(-static_cast<float>(4 + i / 1000 % 3));
    switch (kind) {
      case FloatKind::f32:
        put_field(out, std::bit_cast<std::uint32_t>(value), 4);
        break;
      case FloatKind::f16:
        put_field(out, f16_of(value), 2);
        break;
      case FloatKind::bf16:
        put_field(out, bf16_of(value), 2);
        break;
    }
  }
  return out;
}

std::string noise(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<char>(random() & 0xFFU));
  return out;
}

}  // namespace arenacache::test
