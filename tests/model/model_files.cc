// SPDX-License-Identifier: Apache-2.0
#include "model_files.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"

namespace arenacache::test {

namespace {

void put(std::string& out, std::uint64_t value, std::size_t bytes) {
  constexpr unsigned kBitsPerByte = 8;
  for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>((value >> (i * kBitsPerByte)) & 0xFFU));
}

std::string list(const std::vector<std::uint64_t>& numbers) {
  std::string out;
  for (const std::uint64_t number : numbers) out += base::text(out.empty() ? "" : ",", number);
  return out;
}

std::string layer_name(std::size_t index) {
  return base::text("model.language_model.layers.", index, ".self_attn.q_proj.weight");
}

}  // namespace

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

ModelFile safetensors_file(std::string_view json, std::uint64_t data_bytes) {
  std::string head;
  put(head, json.size(), sizeof(std::uint64_t));
  head += json;
  const std::uint64_t size = head.size() + data_bytes;
  return {.head = std::move(head), .size = size};
}

std::string safetensors_json(const std::vector<SafetensorsEntry>& entries) {
  std::string out;
  for (const SafetensorsEntry& entry : entries) {
    out += base::text(out.empty() ? "{" : ",", '"', entry.name, R"(":{"dtype":")", entry.dtype, R"(","shape":[)",
                      list(entry.shape), R"(],"data_offsets":[)", entry.begin, ",", entry.end, "]}");
  }
  return out.empty() ? "{}" : out + "}";
}

ModelFile many_safetensors(std::size_t count) {
  constexpr std::uint64_t kBytes = 8;
  std::vector<std::string> names;
  names.reserve(count);
  for (std::size_t i = 0; i < count; ++i) names.push_back(layer_name(i));
  std::vector<SafetensorsEntry> entries;
  entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    entries.push_back(
        {.name = names[i], .dtype = "F32", .shape = {1, 2}, .begin = i * kBytes, .end = (i + 1) * kBytes});
  }
  return safetensors_file(safetensors_json(entries), count * kBytes);
}

ModelFile sample_safetensors() {
  const std::string json =
      R"({"__metadata__":{"format":"pt","more":"\u00e4\n"},)"
      R"("b.weight":{"dtype":"BF16","shape":[4,2],"data_offsets":[24,40]},)"
      R"("a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24],"note":{"any":[1,null,-2.5]}},)"
      R"("empty":{"data_offsets":[40,40],"dtype":"I64","shape":[0,7]},)"
      R"("packed":{"dtype":"F4_NEW","shape":[9],"data_offsets":[40,45]},)"
      R"("scale":{"dtype":"F8_E4M3","shape":[],"data_offsets":[45,46]}}   )";
  return safetensors_file(json, 46);
}

GgufHead::GgufHead(std::uint64_t tensors, std::uint64_t pairs, std::uint32_t version) : bytes_("GGUF") {
  u32(version).u64(tensors).u64(pairs);
}

GgufHead& GgufHead::u32(std::uint32_t value) {
  put(bytes_, value, sizeof(value));
  return *this;
}

GgufHead& GgufHead::u64(std::uint64_t value) {
  put(bytes_, value, sizeof(value));
  return *this;
}

GgufHead& GgufHead::string(std::string_view text) {
  u64(text.size());
  bytes_ += text;
  return *this;
}

GgufHead& GgufHead::zeros(std::size_t count) {
  bytes_.append(count, '\0');
  return *this;
}

GgufHead& GgufHead::tensor(std::string_view name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
                           std::uint64_t offset) {
  string(name).u32(static_cast<std::uint32_t>(shape.size()));
  for (const std::uint64_t dimension : shape) u64(dimension);
  return u32(type).u64(offset);
}

ModelFile GgufHead::file(std::uint64_t data_bytes, std::size_t alignment) const {
  std::string head = bytes_;
  head.resize((head.size() + alignment - 1) / alignment * alignment, '\0');
  const std::uint64_t size = head.size() + data_bytes;
  return {.head = std::move(head), .size = size};
}

ModelFile sample_gguf() {
  constexpr std::uint32_t kUnknownType = 4711;
  GgufHead head(4, 13);
  // The types 0 to 12 in turn; string and array have their own shape.
  for (const auto& [type, bytes] : std::vector<std::pair<std::uint32_t, std::size_t>>{
           {0, 1}, {1, 1}, {2, 2}, {3, 2}, {5, 4}, {6, 4}, {7, 1}, {10, 8}, {11, 8}, {12, 8}}) {
    head.key("k", type).zeros(bytes);
  }
  head.key("general.architecture", GgufHead::kString).string("llama");
  head.alignment(64);
  head.key("words", GgufHead::kArray).u32(GgufHead::kArray).u64(2);
  head.u32(GgufHead::kString).u64(2).string("a").string("bc");
  head.u32(GgufHead::kUint8).u64(3).zeros(3);
  head.tensor("output.weight", {256, 2}, 12, 128);                   // Q4_K: 2 * 144 bytes
  head.tensor("token_embd.weight", {2, 3}, 0, 0);                    // F32: 24 bytes
  head.tensor("new.weight", {5}, kUnknownType, 448).tensor("last.weight", {32}, 8, 512);  // ..., Q8_0: 34 bytes
  return head.file(546, 64);
}

ModelFile many_gguf(std::size_t count, std::size_t words) {
  constexpr std::uint64_t kBytes = 32;
  GgufHead head(count, 1);
  head.key("tokenizer.ggml.tokens", GgufHead::kArray).u32(GgufHead::kString).u64(words);
  for (std::size_t i = 0; i < words; ++i) head.string(base::text("word", i));
  for (std::size_t i = 0; i < count; ++i) head.tensor(layer_name(i), {8}, 0, i * kBytes);
  return head.file(count * kBytes);
}

}  // namespace arenacache::test
