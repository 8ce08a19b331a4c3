// SPDX-License-Identifier: Apache-2.0
#include "arenacache/model/dtype.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace arenacache::model {

namespace {

constexpr int kNotGgml = -1;

struct Row {
  DType dtype = DType::other;
  DTypeInfo info;
  int ggml_number = kNotGgml;
  bool in_safetensors = false;
};

// In the order of the enum. Source: the format page of safetensors; ggml.h (numbers) and ggml-common.h (blocks) of llama.cpp.
// 31-33 were dropped by ggml in 2024, but files of them are about; 4, 5 and 36-38 never were in files that anything still reads.
constexpr std::array kRows{
    Row{.dtype = DType::other, .info = {.name = "other"}},
    Row{.dtype = DType::f64, .info = {"F64", 1, 8}, .ggml_number = 28, .in_safetensors = true},
    Row{.dtype = DType::f32, .info = {"F32", 1, 4}, .ggml_number = 0, .in_safetensors = true},
    Row{.dtype = DType::f16, .info = {"F16", 1, 2}, .ggml_number = 1, .in_safetensors = true},
    Row{.dtype = DType::bf16, .info = {"BF16", 1, 2}, .ggml_number = 30, .in_safetensors = true},
    Row{.dtype = DType::f8_e4m3, .info = {"F8_E4M3", 1, 1}, .in_safetensors = true},
    Row{.dtype = DType::f8_e5m2, .info = {"F8_E5M2", 1, 1}, .in_safetensors = true},
    Row{.dtype = DType::i64, .info = {"I64", 1, 8}, .ggml_number = 27, .in_safetensors = true},
    Row{.dtype = DType::i32, .info = {"I32", 1, 4}, .ggml_number = 26, .in_safetensors = true},
    Row{.dtype = DType::i16, .info = {"I16", 1, 2}, .ggml_number = 25, .in_safetensors = true},
    Row{.dtype = DType::i8, .info = {"I8", 1, 1}, .ggml_number = 24, .in_safetensors = true},
    Row{.dtype = DType::u64, .info = {"U64", 1, 8}, .in_safetensors = true},
    Row{.dtype = DType::u32, .info = {"U32", 1, 4}, .in_safetensors = true},
    Row{.dtype = DType::u16, .info = {"U16", 1, 2}, .in_safetensors = true},
    Row{.dtype = DType::u8, .info = {"U8", 1, 1}, .in_safetensors = true},
    Row{.dtype = DType::boolean, .info = {"BOOL", 1, 1}, .in_safetensors = true},
    Row{.dtype = DType::q4_0, .info = {"Q4_0", 32, 18}, .ggml_number = 2},
    Row{.dtype = DType::q4_1, .info = {"Q4_1", 32, 20}, .ggml_number = 3},
    Row{.dtype = DType::q5_0, .info = {"Q5_0", 32, 22}, .ggml_number = 6},
    Row{.dtype = DType::q5_1, .info = {"Q5_1", 32, 24}, .ggml_number = 7},
    Row{.dtype = DType::q8_0, .info = {"Q8_0", 32, 34}, .ggml_number = 8},
    Row{.dtype = DType::q8_1, .info = {"Q8_1", 32, 36}, .ggml_number = 9},
    Row{.dtype = DType::q2_k, .info = {"Q2_K", 256, 84}, .ggml_number = 10},
    Row{.dtype = DType::q3_k, .info = {"Q3_K", 256, 110}, .ggml_number = 11},
    Row{.dtype = DType::q4_k, .info = {"Q4_K", 256, 144}, .ggml_number = 12},
    Row{.dtype = DType::q5_k, .info = {"Q5_K", 256, 176}, .ggml_number = 13},
    Row{.dtype = DType::q6_k, .info = {"Q6_K", 256, 210}, .ggml_number = 14},
    Row{.dtype = DType::q8_k, .info = {"Q8_K", 256, 292}, .ggml_number = 15},
    Row{.dtype = DType::iq2_xxs, .info = {"IQ2_XXS", 256, 66}, .ggml_number = 16},
    Row{.dtype = DType::iq2_xs, .info = {"IQ2_XS", 256, 74}, .ggml_number = 17},
    Row{.dtype = DType::iq3_xxs, .info = {"IQ3_XXS", 256, 98}, .ggml_number = 18},
    Row{.dtype = DType::iq1_s, .info = {"IQ1_S", 256, 50}, .ggml_number = 19},
    Row{.dtype = DType::iq4_nl, .info = {"IQ4_NL", 32, 18}, .ggml_number = 20},
    Row{.dtype = DType::iq3_s, .info = {"IQ3_S", 256, 110}, .ggml_number = 21},
    Row{.dtype = DType::iq2_s, .info = {"IQ2_S", 256, 82}, .ggml_number = 22},
    Row{.dtype = DType::iq4_xs, .info = {"IQ4_XS", 256, 136}, .ggml_number = 23},
    Row{.dtype = DType::iq1_m, .info = {"IQ1_M", 256, 56}, .ggml_number = 29},
    Row{.dtype = DType::q4_0_4_4, .info = {"Q4_0_4_4", 32, 18}, .ggml_number = 31},
    Row{.dtype = DType::q4_0_4_8, .info = {"Q4_0_4_8", 32, 18}, .ggml_number = 32},
    Row{.dtype = DType::q4_0_8_8, .info = {"Q4_0_8_8", 32, 18}, .ggml_number = 33},
    Row{.dtype = DType::tq1_0, .info = {"TQ1_0", 256, 54}, .ggml_number = 34},
    Row{.dtype = DType::tq2_0, .info = {"TQ2_0", 256, 66}, .ggml_number = 35},
    Row{.dtype = DType::mxfp4, .info = {"MXFP4", 32, 17}, .ggml_number = 39},
    Row{.dtype = DType::nvfp4, .info = {"NVFP4", 64, 36}, .ggml_number = 40},
    Row{.dtype = DType::q1_0, .info = {"Q1_0", 128, 18}, .ggml_number = 41},
};

constexpr bool rows_follow_the_enum() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].dtype) != i) return false;
  }
  return true;
}
static_assert(rows_follow_the_enum());
static_assert(kRows.back().dtype == DType::q1_0, "the last type of the enum has no row");

/// `value` *= `factor`; false if the product does not fit.
bool multiply(std::uint64_t& value, std::uint64_t factor) { return !__builtin_mul_overflow(value, factor, &value); }

}  // namespace

DTypeInfo info(DType dtype) { return kRows[static_cast<std::size_t>(dtype)].info; }

DType dtype_of_safetensors(std::string_view word) {
  const auto row =
      std::ranges::find_if(kRows, [&](const Row& each) { return each.in_safetensors && each.info.name == word; });
  return row == kRows.end() ? DType::other : row->dtype;
}

DType dtype_of_ggml(std::uint32_t number) {
  const auto row = std::ranges::find_if(kRows, [&](const Row& each) {
    return each.ggml_number != kNotGgml && static_cast<std::uint32_t>(each.ggml_number) == number;
  });
  return row == kRows.end() ? DType::other : row->dtype;
}

std::optional<std::uint64_t> tensor_bytes(DType dtype, std::span<const std::uint64_t> shape) {
  if (dtype == DType::other) return std::nullopt;
  const DTypeInfo of = info(dtype);
  const std::uint64_t row_elements = shape.empty() ? 1 : shape.back();
  if (row_elements % of.block_elements != 0) return std::nullopt;
  std::uint64_t elements = 1;
  for (const std::uint64_t dimension : shape) {
    if (!multiply(elements, dimension)) return std::nullopt;
  }
  std::uint64_t bytes = elements / of.block_elements;
  if (!multiply(bytes, of.block_bytes)) return std::nullopt;
  return bytes;
}

}  // namespace arenacache::model
