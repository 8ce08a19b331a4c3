// SPDX-License-Identifier: Apache-2.0
// DType: what a tensor's elements are, over both formats, and how many bytes they take.
// Promises: an unknown type is DType::other, never an error. Threads: any; constants only. Never: allocates.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace arenacache::model {

enum class DType : std::uint8_t {
  other,  ///< a type that this program does not know; the tensor's bytes are known, what they mean is not
  f64,
  f32,
  f16,
  bf16,
  f8_e4m3,
  f8_e5m2,
  i64,
  i32,
  i16,
  i8,
  u64,
  u32,
  u16,
  u8,
  boolean,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q8_1,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  q8_k,
  iq2_xxs,
  iq2_xs,
  iq3_xxs,
  iq1_s,
  iq4_nl,
  iq3_s,
  iq2_s,
  iq4_xs,
  iq1_m,
  q4_0_4_4,
  q4_0_4_8,
  q4_0_8_8,
  tq1_0,
  tq2_0,
  mxfp4,
  nvfp4,
  q1_0,
};

struct DTypeInfo {
  std::string_view name;             ///< as its format writes it: "BF16", "Q4_K"; "other"
  std::uint32_t block_elements = 0;  ///< elements that are stored together; 1 for plain numbers, 0 for other
  std::uint32_t block_bytes = 0;     ///< what such a block takes in the file; 0 for other
};

[[nodiscard]] DTypeInfo info(DType dtype);

/// By the word in a safetensors header ("F8_E4M3") or by the number in a GGUF header (ggml_type).
[[nodiscard]] DType dtype_of_safetensors(std::string_view word);
[[nodiscard]] DType dtype_of_ggml(std::uint32_t number);

/// The bytes of a tensor of `shape`, outermost dimension first; a tensor without dimensions has one element. Nothing if the
/// product does not fit 64 bits, if a row is not whole blocks, or for DType::other.
[[nodiscard]] std::optional<std::uint64_t> tensor_bytes(DType dtype, std::span<const std::uint64_t> shape);

}  // namespace arenacache::model
