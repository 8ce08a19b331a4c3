// SPDX-License-Identifier: Apache-2.0
#include "grouping.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "frame_format.h"
#include "layout.h"

namespace arenacache::codec {

namespace {

constexpr std::size_t kMostGroups = 256;
/// The numbers are walked in so many parts at a time: within one, each number of a group must wait for the place of the last.
constexpr std::size_t kParts = 4;

template <class T>
std::size_t group_of(const Layout& layout, const std::byte* number) {
  const auto value = load_number<T>({number, sizeof(T)});
  return (static_cast<std::size_t>(value) >> layout.exponent_shift) & ((std::size_t{1} << layout.exponent_bits) - 1);
}

/// Calls visit(part, offset in bytes) for every number, in the order of each part. The last one has what does not divide.
template <class T, class Visit>
void walk(std::size_t bytes, Visit&& visit) {
  const std::size_t part_bytes = bytes / sizeof(T) / kParts * sizeof(T);
  for (std::size_t at = 0; at < part_bytes; at += sizeof(T)) {
    for (std::size_t part = 0; part < kParts; ++part) visit(part, part * part_bytes + at);
  }
  for (std::size_t at = kParts * part_bytes; at < bytes; at += sizeof(T)) visit(kParts - 1, at);
}

/// Where the next number of each group goes, in bytes, for each part.
template <class T>
class Places {
 public:
  Places(const Layout& layout, std::span<const std::byte> base) {
    walk<T>(base.size(), [&](std::size_t part, std::size_t at) { ++next_[part][group_of<T>(layout, &base[at])]; });
    std::uint32_t begin = 0;
    for (std::size_t group = 0; group < kMostGroups; ++group) {
      for (auto& part : next_) {
        const auto here = static_cast<std::uint32_t>(part[group] * sizeof(T));
        part[group] = begin;
        begin += here;
      }
    }
  }

  std::uint32_t take(std::size_t part, std::size_t group) {
    const std::uint32_t place = next_[part][group];
    next_[part][group] = place + sizeof(T);
    return place;
  }

 private:
  std::array<std::array<std::uint32_t, kMostGroups>, kParts> next_{};
};

template <class T>
void group_numbers(const Layout& layout, std::span<const std::byte> base, std::span<const std::byte> numbers,
                   std::span<std::byte> out) {
  Places<T> places(layout, base);
  walk<T>(base.size(), [&](std::size_t part, std::size_t at) {
    std::memcpy(out.data() + places.take(part, group_of<T>(layout, &base[at])), numbers.data() + at, sizeof(T));
  });
}

template <class T>
void ungroup_numbers(const Layout& layout, std::span<const std::byte> base, std::span<const std::byte> grouped,
                     std::span<std::byte> out) {
  Places<T> places(layout, base);
  walk<T>(base.size(), [&](std::size_t part, std::size_t at) {
    std::memcpy(out.data() + at, grouped.data() + places.take(part, group_of<T>(layout, &base[at])), sizeof(T));
  });
}

}  // namespace

bool can_group(const Layout& layout) { return layout.exponent_bits > 0; }

void group(const Layout& layout, std::span<const std::byte> base, std::span<const std::byte> numbers,
           std::span<std::byte> out) {
  switch (layout.element_bytes) {
    case sizeof(std::uint8_t):
      return group_numbers<std::uint8_t>(layout, base, numbers, out);
    case sizeof(std::uint16_t):
      return group_numbers<std::uint16_t>(layout, base, numbers, out);
    case sizeof(std::uint32_t):
      return group_numbers<std::uint32_t>(layout, base, numbers, out);
    default:
      return group_numbers<std::uint64_t>(layout, base, numbers, out);
  }
}

void ungroup(const Layout& layout, std::span<const std::byte> base, std::span<const std::byte> grouped,
             std::span<std::byte> out) {
  switch (layout.element_bytes) {
    case sizeof(std::uint8_t):
      return ungroup_numbers<std::uint8_t>(layout, base, grouped, out);
    case sizeof(std::uint16_t):
      return ungroup_numbers<std::uint16_t>(layout, base, grouped, out);
    case sizeof(std::uint32_t):
      return ungroup_numbers<std::uint32_t>(layout, base, grouped, out);
    default:
      return ungroup_numbers<std::uint64_t>(layout, base, grouped, out);
  }
}

}  // namespace arenacache::codec
