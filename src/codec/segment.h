// SPDX-License-Identifier: Apache-2.0
// Segment: a block is coded so many elements at a time that their planes stay in the processor's caches; this is the memory of
// the planes of one segment, and how elements of any layout get into them and out of them.
// Threads: one at a time. Owner: below 3.1 MiB of scratch memory, of which only what is used is ever there.
#pragma once

#include <cstddef>
#include <span>

#include "arenacache/base/buffer.h"
#include "kernels.h"
#include "layout.h"

namespace arenacache::codec {

class Segment {
 public:
  Segment();

  /// Where plane `index` of `elements` elements lies here. @param elements at most layout.segment_elements().
  [[nodiscard]] std::span<std::byte> plane(const Layout& layout, std::size_t index, std::size_t elements);
  /// Room for the numbers of a segment, beside its planes.
  [[nodiscard]] std::span<std::byte> numbers(std::size_t bytes) { return numbers_.span().first(bytes); }
  /// The same once more.
  [[nodiscard]] std::span<std::byte> grouped(std::size_t bytes) { return grouped_.span().first(bytes); }

  /// Spreads `source`, whole elements, over the planes here.
  void split(const Kernels& kernels, const Layout& layout, std::span<const std::byte> source);
  /// Makes elements of `planes`, wherever each of them lies. @param out whole elements.
  static void merge(const Kernels& kernels, const Layout& layout, const Planes& planes, std::span<std::byte> out);

 private:
  base::Buffer planes_;
  base::Buffer numbers_;
  base::Buffer grouped_;
};

}  // namespace arenacache::codec
