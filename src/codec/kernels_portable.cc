// SPDX-License-Identifier: Apache-2.0
#include "kernels_portable.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "frame_format.h"
#include "kernels.h"

namespace arenacache::codec::portable {

namespace {

constexpr unsigned kBitsPerByte = 8;

template <class T>
constexpr unsigned kExponentBits = sizeof(T) == 8 ? 11 : 8;
template <class T>
constexpr unsigned kTopBit = sizeof(T) * kBitsPerByte - 1;
/// Where the sign goes: right behind the exponent.
template <class T>
constexpr T kSignBehind = static_cast<T>(T{1} << (kTopBit<T> - kExponentBits<T>));
template <class T>
constexpr T kMantissa = static_cast<T>(kSignBehind<T> - 1);

template <class T>
T exponent_first(T value) {
  const T exponent = static_cast<T>(static_cast<T>(value << 1) & static_cast<T>(~(kSignBehind<T> | kMantissa<T>)));
  const T sign = static_cast<T>(static_cast<T>(value >> kExponentBits<T>) & kSignBehind<T>);
  return static_cast<T>(exponent | sign | (value & kMantissa<T>));
}

template <class T>
T sign_first(T value) {
  const T exponent = static_cast<T>(value & static_cast<T>(~(kSignBehind<T> | kMantissa<T>)));
  const T sign = static_cast<T>(value & kSignBehind<T>);
  return static_cast<T>(static_cast<T>(exponent >> 1) | static_cast<T>(sign << kExponentBits<T>) |
                        (value & kMantissa<T>));
}

template <class T>
void split_numbers(bool is_exponent_first, std::span<const std::byte> numbers, const MutablePlanes& planes) {
  const std::size_t count = numbers.size() / sizeof(T);
  for (std::size_t i = 0; i < count; ++i) {
    T value = load_number<T>(numbers.subspan(i * sizeof(T), sizeof(T)));
    if constexpr (sizeof(T) > 1) {
      if (is_exponent_first) value = exponent_first(value);
    }
    const std::uint64_t bits = value;
    for (std::size_t k = 0; k < sizeof(T); ++k) {
      planes[sizeof(T) - 1 - k][i] = static_cast<std::byte>((bits >> (k * kBitsPerByte)) & 0xFFU);
    }
  }
}

template <class T>
void merge_numbers(bool is_exponent_first, const Planes& planes, std::span<std::byte> numbers) {
  const std::size_t count = numbers.size() / sizeof(T);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t bits = 0;
    for (std::size_t k = 0; k < sizeof(T); ++k) {
      bits |= std::to_integer<std::uint64_t>(planes[sizeof(T) - 1 - k][i]) << (k * kBitsPerByte);
    }
    auto value = static_cast<T>(bits);
    if constexpr (sizeof(T) > 1) {
      if (is_exponent_first) value = sign_first(value);
    }
    store_number<T>(numbers.subspan(i * sizeof(T), sizeof(T)), value);
  }
}

template <class T>
void subtract_numbers(std::span<const std::byte> numbers, std::span<const std::byte> base, std::span<std::byte> out) {
  for (std::size_t at = 0; at < numbers.size(); at += sizeof(T)) {
    const T difference =
        static_cast<T>(load_number<T>(numbers.subspan(at, sizeof(T))) - load_number<T>(base.subspan(at, sizeof(T))));
    const T sign = static_cast<T>(difference >> kTopBit<T>);
    const T zigzag = static_cast<T>(static_cast<T>(difference << 1) ^ static_cast<T>(T{0} - sign));
    store_number<T>(out.subspan(at, sizeof(T)), zigzag);
  }
}

template <class T>
void add_numbers(std::span<std::byte> numbers, std::span<const std::byte> base) {
  for (std::size_t at = 0; at < numbers.size(); at += sizeof(T)) {
    const auto place = numbers.subspan(at, sizeof(T));
    const T zigzag = load_number<T>(place);
    const T difference = static_cast<T>(static_cast<T>(zigzag >> 1) ^ static_cast<T>(T{0} - (zigzag & 1U)));
    store_number<T>(place, static_cast<T>(load_number<T>(base.subspan(at, sizeof(T))) + difference));
  }
}

}  // namespace

void split(const Layout& layout, std::span<const std::byte> numbers, const MutablePlanes& planes) {
  switch (layout.element_bytes) {
    case sizeof(std::uint8_t):
      return split_numbers<std::uint8_t>(false, numbers, planes);
    case sizeof(std::uint16_t):
      return split_numbers<std::uint16_t>(layout.exponent_first, numbers, planes);
    case sizeof(std::uint32_t):
      return split_numbers<std::uint32_t>(layout.exponent_first, numbers, planes);
    default:
      return split_numbers<std::uint64_t>(layout.exponent_first, numbers, planes);
  }
}

void merge(const Layout& layout, const Planes& planes, std::span<std::byte> numbers) {
  switch (layout.element_bytes) {
    case sizeof(std::uint8_t):
      return merge_numbers<std::uint8_t>(false, planes, numbers);
    case sizeof(std::uint16_t):
      return merge_numbers<std::uint16_t>(layout.exponent_first, planes, numbers);
    case sizeof(std::uint32_t):
      return merge_numbers<std::uint32_t>(layout.exponent_first, planes, numbers);
    default:
      return merge_numbers<std::uint64_t>(layout.exponent_first, planes, numbers);
  }
}

void subtract(std::size_t width, std::span<const std::byte> numbers, std::span<const std::byte> base,
              std::span<std::byte> out) {
  switch (width) {
    case sizeof(std::uint8_t):
      return subtract_numbers<std::uint8_t>(numbers, base, out);
    case sizeof(std::uint16_t):
      return subtract_numbers<std::uint16_t>(numbers, base, out);
    case sizeof(std::uint32_t):
      return subtract_numbers<std::uint32_t>(numbers, base, out);
    default:
      return subtract_numbers<std::uint64_t>(numbers, base, out);
  }
}

void add(std::size_t width, std::span<std::byte> numbers, std::span<const std::byte> base) {
  switch (width) {
    case sizeof(std::uint8_t):
      return add_numbers<std::uint8_t>(numbers, base);
    case sizeof(std::uint16_t):
      return add_numbers<std::uint16_t>(numbers, base);
    case sizeof(std::uint32_t):
      return add_numbers<std::uint32_t>(numbers, base);
    default:
      return add_numbers<std::uint64_t>(numbers, base);
  }
}

std::size_t pack_pairs(const PairTable& table, std::span<const std::byte> plane, std::byte* pairs, std::byte* escapes) {
  std::array<std::uint8_t, 256> code_of{};
  for (std::size_t i = 0; i < table.count; ++i) {
    code_of[std::to_integer<std::size_t>(table.bytes[i])] = static_cast<std::uint8_t>(i + 1);
  }
  std::size_t escaped = 0;
  const auto code_at = [&](std::size_t i) -> unsigned {
    const unsigned code = code_of[std::to_integer<std::size_t>(plane[i])];
    if (code == PairTable::kEscape) escapes[escaped++] = plane[i];
    return code;
  };
  for (std::size_t i = 0; i < plane.size(); i += 2) {
    const unsigned low = code_at(i);
    const unsigned high = i + 1 < plane.size() ? code_at(i + 1) : 0;
    pairs[i / 2] = static_cast<std::byte>(low | (high << 4U));
  }
  return escaped;
}

bool unpack_pairs(const PairTable& table, const std::byte* pairs, std::span<const std::byte> escapes,
                  std::span<std::byte> plane) {
  std::size_t used = 0;
  for (std::size_t i = 0; i < plane.size(); ++i) {
    const unsigned code = (std::to_integer<unsigned>(pairs[i / 2]) >> (i % 2 * 4)) & 0xFU;
    if (code != PairTable::kEscape) {
      plane[i] = table.bytes[code - 1];
      continue;
    }
    if (used == escapes.size()) return false;
    plane[i] = escapes[used++];
  }
  return used == escapes.size();
}

}  // namespace arenacache::codec::portable

namespace arenacache::codec {

const Kernels& portable_kernels() {
  static constexpr Kernels kKernels{.split = portable::split,
                                    .merge = portable::merge,
                                    .subtract = portable::subtract,
                                    .add = portable::add,
                                    .pack_pairs = portable::pack_pairs,
                                    .unpack_pairs = portable::unpack_pairs};
  return kKernels;
}

}  // namespace arenacache::codec
