// SPDX-License-Identifier: Apache-2.0
#include "segment.h"

#include <cstddef>
#include <cstring>
#include <span>

#include "kernels.h"
#include "layout.h"

namespace arenacache::codec {

namespace {

/// Planes that lie a power of two apart would share the same few places of a cache.
constexpr std::size_t kApartBytes = 4096 + 64;

/// Pieces that lie a stride apart.
template <class Byte>
struct Pieces {
  Byte* begin = nullptr;
  std::size_t stride = 0;
};

template <std::size_t kBytes>
void copy_of_size(Pieces<const std::byte> from, Pieces<std::byte> to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) std::memcpy(to.begin + i * to.stride, from.begin + i * from.stride, kBytes);
}

/// Copies `count` pieces of `bytes` each. The sizes that records' fields have are known to the compiler.
void copy_pieces(std::size_t bytes, Pieces<const std::byte> from, Pieces<std::byte> to, std::size_t count) {
  switch (bytes) {
    case 1:
      return copy_of_size<1>(from, to, count);
    case 4:
      return copy_of_size<4>(from, to, count);
    case 12:
      return copy_of_size<12>(from, to, count);
    case 16:
      return copy_of_size<16>(from, to, count);
    case 32:
      return copy_of_size<32>(from, to, count);
    case 64:
      return copy_of_size<64>(from, to, count);
    case 128:
      return copy_of_size<128>(from, to, count);
    default:
      for (std::size_t i = 0; i < count; ++i) {
        std::memcpy(to.begin + i * to.stride, from.begin + i * from.stride, bytes);
      }
  }
}

}  // namespace

Segment::Segment()
    : planes_(kMaxSegmentBytes + kMaxPlanes * kApartBytes), numbers_(kMaxSegmentBytes), grouped_(kMaxSegmentBytes) {}

std::span<std::byte> Segment::plane(const Layout& layout, std::size_t index, std::size_t elements) {
  const std::size_t begin = index * (kMaxPlaneBytes + kApartBytes);
  return planes_.span().subspan(begin, elements * layout.plane_width(index));
}

void Segment::split(const Kernels& kernels, const Layout& layout, std::span<const std::byte> source) {
  const std::size_t elements = source.size() / layout.element_bytes;
  MutablePlanes planes{};
  for (std::size_t i = 0; i < layout.planes(); ++i) planes[i] = plane(layout, i, elements).data();
  if (layout.is_number) return kernels.split(layout, source, planes);
  for (std::size_t i = 0; i < layout.planes(); ++i) {
    const Field& field = layout.fields[i];
    copy_pieces(field.bytes, {source.data() + field.begin, layout.element_bytes}, {planes[i], field.bytes}, elements);
  }
}

void Segment::merge(const Kernels& kernels, const Layout& layout, const Planes& planes, std::span<std::byte> out) {
  const std::size_t elements = out.size() / layout.element_bytes;
  if (layout.is_number) return kernels.merge(layout, planes, out);
  for (std::size_t i = 0; i < layout.planes(); ++i) {
    const Field& field = layout.fields[i];
    copy_pieces(field.bytes, {planes[i], field.bytes}, {out.data() + field.begin, layout.element_bytes}, elements);
  }
}

}  // namespace arenacache::codec
