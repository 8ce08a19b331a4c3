// SPDX-License-Identifier: Apache-2.0
// Only these functions are compiled for AVX2: the file is not, or inline functions of the library's headers, compiled here for
// it too, could become the ones that every machine runs.
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels.h"
#include "kernels_portable.h"

// NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): how the instructions take their memory

#define AC_AVX2 __attribute__((target("avx2")))

namespace arenacache::codec {

namespace {

constexpr std::size_t kVector = sizeof(__m256i);
/// Vectors that kVector numbers of 32 bits fill. (Vectors lie in plain arrays: std::array drops an attribute of their type.)
constexpr std::size_t kLanes = 4;

AC_AVX2 __m256i load(const std::byte* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
AC_AVX2 void store(std::byte* at, __m256i value) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value); }

/// Undoes that packing and unpacking work within each half of a vector: quarters 0 2 1 3.
AC_AVX2 __m256i swap_middle(__m256i value) { return _mm256_permute4x64_epi64(value, 0b11011000); }

AC_AVX2 __m256i exponent_first_16(__m256i value) {
  const __m256i exponent = _mm256_and_si256(_mm256_slli_epi16(value, 1), _mm256_set1_epi16(-0x100));
  const __m256i sign = _mm256_and_si256(_mm256_srli_epi16(value, 8), _mm256_set1_epi16(0x80));
  const __m256i mantissa = _mm256_and_si256(value, _mm256_set1_epi16(0x7F));
  return _mm256_or_si256(_mm256_or_si256(exponent, sign), mantissa);
}

AC_AVX2 __m256i sign_first_16(__m256i value) {
  const __m256i exponent = _mm256_and_si256(_mm256_srli_epi16(value, 1), _mm256_set1_epi16(0x7F80));
  const __m256i sign = _mm256_and_si256(_mm256_slli_epi16(value, 8), _mm256_set1_epi16(-0x8000));
  const __m256i mantissa = _mm256_and_si256(value, _mm256_set1_epi16(0x7F));
  return _mm256_or_si256(_mm256_or_si256(exponent, sign), mantissa);
}

AC_AVX2 __m256i exponent_first_32(__m256i value) {
  const __m256i exponent = _mm256_and_si256(_mm256_slli_epi32(value, 1), _mm256_set1_epi32(-0x1000000));
  const __m256i sign = _mm256_and_si256(_mm256_srli_epi32(value, 8), _mm256_set1_epi32(0x800000));
  const __m256i mantissa = _mm256_and_si256(value, _mm256_set1_epi32(0x7FFFFF));
  return _mm256_or_si256(_mm256_or_si256(exponent, sign), mantissa);
}

AC_AVX2 __m256i sign_first_32(__m256i value) {
  const __m256i exponent = _mm256_and_si256(_mm256_srli_epi32(value, 1), _mm256_set1_epi32(0x7F800000));
  const __m256i sign = _mm256_and_si256(_mm256_slli_epi32(value, 8), _mm256_set1_epi32(INT32_MIN));
  const __m256i mantissa = _mm256_and_si256(value, _mm256_set1_epi32(0x7FFFFF));
  return _mm256_or_si256(_mm256_or_si256(exponent, sign), mantissa);
}

/// Each of these does whole steps of `kVector` numbers from the front, and says how many numbers that were.
AC_AVX2 std::size_t split_16(bool exponent_first, std::span<const std::byte> numbers, const MutablePlanes& planes) {
  const std::size_t count = numbers.size() / 2 / kVector * kVector;
  const __m256i low_byte = _mm256_set1_epi16(0xFF);
  for (std::size_t i = 0; i < count; i += kVector) {
    __m256i first = load(numbers.data() + i * 2);
    __m256i second = load(numbers.data() + i * 2 + kVector);
    if (exponent_first) {
      first = exponent_first_16(first);
      second = exponent_first_16(second);
    }
    const __m256i high = _mm256_packus_epi16(_mm256_srli_epi16(first, 8), _mm256_srli_epi16(second, 8));
    const __m256i low = _mm256_packus_epi16(_mm256_and_si256(first, low_byte), _mm256_and_si256(second, low_byte));
    store(planes[0] + i, swap_middle(high));
    store(planes[1] + i, swap_middle(low));
  }
  return count;
}

AC_AVX2 std::size_t merge_16(bool exponent_first, const Planes& planes, std::span<std::byte> numbers) {
  const std::size_t count = numbers.size() / 2 / kVector * kVector;
  for (std::size_t i = 0; i < count; i += kVector) {
    const __m256i high = swap_middle(load(planes[0] + i));
    const __m256i low = swap_middle(load(planes[1] + i));
    __m256i first = _mm256_unpacklo_epi8(low, high);
    __m256i second = _mm256_unpackhi_epi8(low, high);
    if (exponent_first) {
      first = sign_first_16(first);
      second = sign_first_16(second);
    }
    store(numbers.data() + i * 2, first);
    store(numbers.data() + i * 2 + kVector, second);
  }
  return count;
}

AC_AVX2 std::size_t split_32(bool exponent_first, std::span<const std::byte> numbers, const MutablePlanes& planes) {
  const std::size_t count = numbers.size() / 4 / kVector * kVector;
  // In each half of a vector: the lowest bytes of its four numbers, then the next ones, and so on.
  const __m256i by_byte =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (std::size_t i = 0; i < count; i += kVector) {
    __m256i part[kLanes];
    for (std::size_t k = 0; k < kLanes; ++k) {
      __m256i value = load(numbers.data() + i * 4 + k * kVector);
      if (exponent_first) value = exponent_first_32(value);
      // Eight bytes of each significance together, the lowest first.
      part[k] = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(value, by_byte), in_order);
    }
    // Quarters are 8 bytes: 4 x 4 of them are transposed.
    const __m256i bytes_02_a = _mm256_unpacklo_epi64(part[0], part[1]);
    const __m256i bytes_13_a = _mm256_unpackhi_epi64(part[0], part[1]);
    const __m256i bytes_02_b = _mm256_unpacklo_epi64(part[2], part[3]);
    const __m256i bytes_13_b = _mm256_unpackhi_epi64(part[2], part[3]);
    store(planes[3] + i, _mm256_permute2x128_si256(bytes_02_a, bytes_02_b, 0x20));
    store(planes[2] + i, _mm256_permute2x128_si256(bytes_13_a, bytes_13_b, 0x20));
    store(planes[1] + i, _mm256_permute2x128_si256(bytes_02_a, bytes_02_b, 0x31));
    store(planes[0] + i, _mm256_permute2x128_si256(bytes_13_a, bytes_13_b, 0x31));
  }
  return count;
}

AC_AVX2 std::size_t merge_32(bool exponent_first, const Planes& planes, std::span<std::byte> numbers) {
  const std::size_t count = numbers.size() / 4 / kVector * kVector;
  for (std::size_t i = 0; i < count; i += kVector) {
    const __m256i byte_0 = load(planes[3] + i);
    const __m256i byte_1 = load(planes[2] + i);
    const __m256i byte_2 = load(planes[1] + i);
    const __m256i byte_3 = load(planes[0] + i);
    const __m256i low_a = _mm256_unpacklo_epi8(byte_0, byte_1);
    const __m256i low_b = _mm256_unpackhi_epi8(byte_0, byte_1);
    const __m256i high_a = _mm256_unpacklo_epi8(byte_2, byte_3);
    const __m256i high_b = _mm256_unpackhi_epi8(byte_2, byte_3);
    // Numbers 0-3 and 16-19, 4-7 and 20-23, and so on.
    __m256i part[kLanes] = {_mm256_unpacklo_epi16(low_a, high_a), _mm256_unpackhi_epi16(low_a, high_a),
                            _mm256_unpacklo_epi16(low_b, high_b), _mm256_unpackhi_epi16(low_b, high_b)};
    if (exponent_first) {
      for (__m256i& value : part) value = sign_first_32(value);
    }
    std::byte* out = numbers.data() + i * 4;
    store(out, _mm256_permute2x128_si256(part[0], part[1], 0x20));
    store(out + kVector, _mm256_permute2x128_si256(part[2], part[3], 0x20));
    store(out + 2 * kVector, _mm256_permute2x128_si256(part[0], part[1], 0x31));
    store(out + 3 * kVector, _mm256_permute2x128_si256(part[2], part[3], 0x31));
  }
  return count;
}

/// Lanes of `width` bytes: a - b, a + b, and ~0 where negative.
AC_AVX2 __m256i difference(std::size_t width, __m256i a, __m256i b) {
  if (width == 1) return _mm256_sub_epi8(a, b);
  if (width == 2) return _mm256_sub_epi16(a, b);
  if (width == 4) return _mm256_sub_epi32(a, b);
  return _mm256_sub_epi64(a, b);
}
AC_AVX2 __m256i sum(std::size_t width, __m256i a, __m256i b) {
  if (width == 1) return _mm256_add_epi8(a, b);
  if (width == 2) return _mm256_add_epi16(a, b);
  if (width == 4) return _mm256_add_epi32(a, b);
  return _mm256_add_epi64(a, b);
}
AC_AVX2 __m256i is_negative(std::size_t width, __m256i value) {
  const __m256i zero = _mm256_setzero_si256();
  if (width == 1) return _mm256_cmpgt_epi8(zero, value);
  if (width == 2) return _mm256_cmpgt_epi16(zero, value);
  if (width == 4) return _mm256_cmpgt_epi32(zero, value);
  return _mm256_cmpgt_epi64(zero, value);
}
AC_AVX2 __m256i ones(std::size_t width) {
  if (width == 1) return _mm256_set1_epi8(1);
  if (width == 2) return _mm256_set1_epi16(1);
  if (width == 4) return _mm256_set1_epi32(1);
  return _mm256_set1_epi64x(1);
}
AC_AVX2 __m256i halve(std::size_t width, __m256i value) {
  if (width == 1) return _mm256_and_si256(_mm256_srli_epi16(value, 1), _mm256_set1_epi8(0x7F));
  if (width == 2) return _mm256_srli_epi16(value, 1);
  if (width == 4) return _mm256_srli_epi32(value, 1);
  return _mm256_srli_epi64(value, 1);
}

AC_AVX2 void subtract(std::size_t width, std::span<const std::byte> numbers, std::span<const std::byte> base,
                      std::span<std::byte> out) {
  const std::size_t whole = numbers.size() / kVector * kVector;
  for (std::size_t at = 0; at < whole; at += kVector) {
    const __m256i change = difference(width, load(numbers.data() + at), load(base.data() + at));
    store(out.data() + at, _mm256_xor_si256(sum(width, change, change), is_negative(width, change)));
  }
  portable::subtract(width, numbers.subspan(whole), base.subspan(whole), out.subspan(whole));
}

AC_AVX2 void add(std::size_t width, std::span<std::byte> numbers, std::span<const std::byte> base) {
  const std::size_t whole = numbers.size() / kVector * kVector;
  const __m256i one = ones(width);
  const __m256i zero = _mm256_setzero_si256();
  for (std::size_t at = 0; at < whole; at += kVector) {
    const __m256i zigzag = load(numbers.data() + at);
    const __m256i sign = difference(width, zero, _mm256_and_si256(zigzag, one));
    const __m256i change = _mm256_xor_si256(halve(width, zigzag), sign);
    store(numbers.data() + at, sum(width, load(base.data() + at), change));
  }
  portable::add(width, numbers.subspan(whole), base.subspan(whole));
}

/// The table in both halves of a vector, at each byte's code; 0 where there is none.
AC_AVX2 __m256i bytes_by_code(const PairTable& table) {
  std::array<std::byte, 16> bytes{};
  for (std::size_t i = 0; i < table.bytes.size(); ++i) bytes[i + 1] = table.bytes[i];
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data())));
}

AC_AVX2 std::uint32_t escapes_in(__m256i codes) {
  return std::bit_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(codes, _mm256_setzero_si256())));
}

/// The codes of 32 bytes. Common bytes are mostly neighbours, as exponents are: those within a window of 32 are looked up in two
/// halves, the few others are compared with.
class CodeLookup {
 public:
  AC_AVX2 explicit CodeLookup(const PairTable& table) {
    std::size_t most = 0;
    unsigned begin = 0;
    for (const std::byte low : table.codes()) {
      const auto from = std::to_integer<unsigned>(low);
      const auto inside = [&](std::byte each) { return std::to_integer<unsigned>(each) - from < kWindow; };
      const auto count = static_cast<std::size_t>(std::ranges::count_if(table.codes(), inside));
      if (count > most) begin = from;
      most = std::max(most, count);
    }
    std::array<std::uint8_t, kWindow> codes{};
    for (std::size_t k = 0; k < table.count; ++k) {
      const unsigned place = std::to_integer<unsigned>(table.bytes[k]) - begin;
      if (place < kWindow) {
        codes[place] = static_cast<std::uint8_t>(k + 1);
        continue;
      }
      other_[others_] = _mm256_set1_epi8(std::to_integer<char>(table.bytes[k]));
      other_code_[others_++] = _mm256_set1_epi8(static_cast<char>(k + 1));
    }
    begin_ = _mm256_set1_epi8(static_cast<char>(begin));
    low_ = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes.data())));
    high_ = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes.data() + kHalf)));
  }

  AC_AVX2 __m256i codes(__m256i bytes) const {
    // Adding this with saturation leaves 0-15 with a clear top bit, and sets it in all others, for which a look-up gives 0.
    const __m256i beyond = _mm256_set1_epi8(0x70);
    const __m256i place = _mm256_sub_epi8(bytes, begin_);
    const __m256i high_place = _mm256_sub_epi8(place, _mm256_set1_epi8(kHalf));
    __m256i found = _mm256_or_si256(_mm256_shuffle_epi8(low_, _mm256_adds_epu8(place, beyond)),
                                    _mm256_shuffle_epi8(high_, _mm256_adds_epu8(high_place, beyond)));
    for (std::size_t k = 0; k < others_; ++k) {
      found = _mm256_or_si256(found, _mm256_and_si256(_mm256_cmpeq_epi8(bytes, other_[k]), other_code_[k]));
    }
    return found;
  }

 private:
  static constexpr unsigned kHalf = 16;
  static constexpr unsigned kWindow = 2 * kHalf;

  __m256i begin_;
  __m256i low_;
  __m256i high_;
  __m256i other_[PairTable::kMaxCodes];
  __m256i other_code_[PairTable::kMaxCodes];
  std::size_t others_ = 0;
};

AC_AVX2 std::size_t pack_pairs(const PairTable& table, std::span<const std::byte> plane, std::byte* pairs,
                               std::byte* escapes) {
  const std::size_t whole = plane.size() / (2 * kVector) * (2 * kVector);
  const CodeLookup lookup(table);
  const __m256i low_and_high = _mm256_set1_epi16(0x1001);
  std::size_t escaped = 0;
  for (std::size_t i = 0; i < whole; i += 2 * kVector) {
    const __m256i codes_1 = lookup.codes(load(plane.data() + i));
    const __m256i codes_2 = lookup.codes(load(plane.data() + i + kVector));
    const __m256i packed =
        _mm256_packus_epi16(_mm256_maddubs_epi16(codes_1, low_and_high), _mm256_maddubs_epi16(codes_2, low_and_high));
    store(pairs + i / 2, swap_middle(packed));
    std::uint64_t odd = escapes_in(codes_1) | (std::uint64_t{escapes_in(codes_2)} << kVector);
    for (; odd != 0; odd &= odd - 1) {
      escapes[escaped++] = plane[i + static_cast<std::size_t>(std::countr_zero(odd))];
    }
  }
  return escaped + portable::pack_pairs(table, plane.subspan(whole), pairs + whole / 2, escapes + escaped);
}

AC_AVX2 bool unpack_pairs(const PairTable& table, const std::byte* pairs, std::span<const std::byte> escapes,
                          std::span<std::byte> plane) {
  const std::size_t whole = plane.size() / (2 * kVector) * (2 * kVector);
  const __m256i bytes = bytes_by_code(table);
  const __m256i low_half = _mm256_set1_epi8(0xF);
  std::size_t used = 0;
  for (std::size_t i = 0; i < whole; i += 2 * kVector) {
    const __m256i packed = swap_middle(load(pairs + i / 2));
    const __m256i low = _mm256_and_si256(packed, low_half);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(packed, 4), low_half);
    const __m256i codes_1 = _mm256_unpacklo_epi8(low, high);
    const __m256i codes_2 = _mm256_unpackhi_epi8(low, high);
    store(plane.data() + i, _mm256_shuffle_epi8(bytes, codes_1));
    store(plane.data() + i + kVector, _mm256_shuffle_epi8(bytes, codes_2));
    std::uint64_t odd = escapes_in(codes_1) | (std::uint64_t{escapes_in(codes_2)} << kVector);
    if (odd == 0) continue;
    if (static_cast<std::size_t>(std::popcount(odd)) > escapes.size() - used) return false;
    for (; odd != 0; odd &= odd - 1) plane[i + static_cast<std::size_t>(std::countr_zero(odd))] = escapes[used++];
  }
  return portable::unpack_pairs(table, pairs + whole / 2, escapes.subspan(used), plane.subspan(whole));
}

/// What the vectors left over, for the portable kernels.
void split(const Layout& layout, std::span<const std::byte> numbers, const MutablePlanes& planes) {
  std::size_t done = 0;
  if (layout.element_bytes == 2) done = split_16(layout.exponent_first, numbers, planes);
  if (layout.element_bytes == 4) done = split_32(layout.exponent_first, numbers, planes);
  MutablePlanes rest{};
  for (std::size_t k = 0; k < layout.planes(); ++k) rest[k] = planes[k] + done;
  portable::split(layout, numbers.subspan(done * layout.element_bytes), rest);
}

void merge(const Layout& layout, const Planes& planes, std::span<std::byte> numbers) {
  std::size_t done = 0;
  if (layout.element_bytes == 2) done = merge_16(layout.exponent_first, planes, numbers);
  if (layout.element_bytes == 4) done = merge_32(layout.exponent_first, planes, numbers);
  Planes rest{};
  for (std::size_t k = 0; k < layout.planes(); ++k) rest[k] = planes[k] + done;
  portable::merge(layout, rest, numbers.subspan(done * layout.element_bytes));
}

}  // namespace

const Kernels& avx2_kernels() {
  static constexpr Kernels kKernels{.split = split,
                                    .merge = merge,
                                    .subtract = subtract,
                                    .add = add,
                                    .pack_pairs = pack_pairs,
                                    .unpack_pairs = unpack_pairs};
  return __builtin_cpu_supports("avx2") != 0 ? kKernels : portable_kernels();
}

}  // namespace arenacache::codec

// NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
