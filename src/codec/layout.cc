// SPDX-License-Identifier: Apache-2.0
#include "layout.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "arenacache/codec/element_type.h"

namespace arenacache::codec {

namespace {

// The scales, numbers of 16 bits, in two planes of one byte each. Source of the records: ggml-common.h of llama.cpp.
constexpr std::array kQ40 = {Field{1, 1}, Field{0, 1}, Field{2, 16}};
constexpr std::array kQ41 = {Field{1, 1}, Field{0, 1}, Field{3, 1}, Field{2, 1}, Field{4, 16}};
constexpr std::array kQ50 = {Field{1, 1}, Field{0, 1}, Field{2, 4}, Field{6, 16}};
constexpr std::array kQ51 = {Field{1, 1}, Field{0, 1}, Field{3, 1}, Field{2, 1}, Field{4, 4}, Field{8, 16}};
constexpr std::array kQ80 = {Field{1, 1}, Field{0, 1}, Field{2, 32}};
constexpr std::array kQ2K = {Field{0, 16}, Field{16, 64}, Field{81, 1}, Field{80, 1}, Field{83, 1}, Field{82, 1}};
constexpr std::array kQ3K = {Field{0, 32}, Field{32, 64}, Field{96, 12}, Field{109, 1}, Field{108, 1}};
constexpr std::array kQ4K = {Field{1, 1}, Field{0, 1}, Field{3, 1}, Field{2, 1}, Field{4, 12}, Field{16, 128}};
constexpr std::array kQ5K = {Field{1, 1},  Field{0, 1},   Field{3, 1},   Field{2, 1},
                             Field{4, 12}, Field{16, 32}, Field{48, 128}};
constexpr std::array kQ6K = {Field{0, 128}, Field{128, 64}, Field{192, 16}, Field{209, 1}, Field{208, 1}};

struct Row {
  ElementType type = ElementType::bytes;
  std::string_view name;
  Layout layout;
};

constexpr Layout number(std::size_t bytes) { return {.element_bytes = bytes}; }
struct Exponent {
  std::uint8_t shift = 0;
  std::uint8_t bits = 0;
};
/// Of floats with many planes most of the gain is in one of them, so the others need not be decoded for a little more.
constexpr Layout floating(std::size_t bytes, Exponent exponent, bool exponent_first) {
  return {.element_bytes = bytes,
          .exponent_first = exponent_first,
          .exponent_shift = exponent.shift,
          .exponent_bits = exponent.bits,
          .is_noisy = true,
          .least_gain = bytes > 1 ? 32U : 64U};
}
constexpr Layout record(std::span<const Field> fields) {
  std::size_t bytes = 0;
  for (const Field& field : fields) bytes += field.bytes;
  return {.element_bytes = bytes, .is_number = false, .is_noisy = true, .fields = fields};
}

// In the order of the enum. An exponent of 5 bits or fewer is whole in the top byte wherever the sign is: moved or not, the
// planes are as small (measured), so those stay as they are.
constexpr std::array<Row, kElementTypes> kRows = {{
    {ElementType::bytes, "bytes", number(1)},
    {ElementType::f64, "f64", floating(8, {52, 8}, true)},
    {ElementType::f32, "f32", floating(4, {23, 8}, true)},
    {ElementType::f16, "f16", floating(2, {10, 5}, false)},
    {ElementType::bf16, "bf16", floating(2, {7, 8}, true)},
    {ElementType::f8_e4m3, "f8_e4m3", floating(1, {3, 4}, false)},
    {ElementType::f8_e5m2, "f8_e5m2", floating(1, {2, 5}, false)},
    {ElementType::i64, "i64", number(8)},
    {ElementType::i32, "i32", number(4)},
    {ElementType::i16, "i16", number(2)},
    {ElementType::i8, "i8", number(1)},
    {ElementType::u8, "u8", number(1)},
    {ElementType::boolean, "boolean", number(1)},
    {ElementType::q4_0, "q4_0", record(kQ40)},
    {ElementType::q4_1, "q4_1", record(kQ41)},
    {ElementType::q5_0, "q5_0", record(kQ50)},
    {ElementType::q5_1, "q5_1", record(kQ51)},
    {ElementType::q8_0, "q8_0", record(kQ80)},
    {ElementType::q2_k, "q2_k", record(kQ2K)},
    {ElementType::q3_k, "q3_k", record(kQ3K)},
    {ElementType::q4_k, "q4_k", record(kQ4K)},
    {ElementType::q5_k, "q5_k", record(kQ5K)},
    {ElementType::q6_k, "q6_k", record(kQ6K)},
}};

constexpr bool rows_are_sound() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    const Layout& layout = kRows[i].layout;
    if (static_cast<std::size_t>(kRows[i].type) != i || layout.planes() > kMaxPlanes) return false;
    // Each byte of a record in one field.
    std::array<int, 256> uses{};
    for (const Field& field : layout.fields) {
      for (std::size_t at = field.begin; at < std::size_t{field.begin} + field.bytes; ++at) ++uses[at];
    }
    for (std::size_t at = 0; at < uses.size() && !layout.is_number; ++at) {
      if (uses[at] != (at < layout.element_bytes ? 1 : 0)) return false;
    }
  }
  return true;
}
static_assert(rows_are_sound());

const Row& row_of(ElementType type) { return kRows[static_cast<std::size_t>(type)]; }

}  // namespace

std::size_t Layout::segment_elements() const {
  std::size_t widest = 1;
  for (std::size_t i = 0; i < planes(); ++i) widest = std::max(widest, plane_width(i));
  return kMaxPlaneBytes / widest;
}

const Layout& layout_of(ElementType type) { return row_of(type).layout; }

std::string_view to_string(ElementType type) { return row_of(type).name; }

std::size_t element_bytes(ElementType type) { return row_of(type).layout.element_bytes; }

std::optional<ElementType> element_type_of(std::uint8_t number) {
  if (number >= kElementTypes) return std::nullopt;
  return static_cast<ElementType>(number);
}

}  // namespace arenacache::codec
