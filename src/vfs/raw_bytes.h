// SPDX-License-Identifier: Apache-2.0
// Rows of plain numbers as bytes of this machine and back, for what is kept from one life to the next and may be lost.
// Promises: no length is believed before it was compared with the bytes that are there. Threads: any. Locks: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace arenacache::vfs {

/// Appends the number of items, then the items.
template <class Item>
void append_raw(std::string& bytes, std::span<Item> items) {
  static_assert(std::is_trivially_copyable_v<Item>);
  const std::uint64_t count = items.size();
  bytes.append(reinterpret_cast<const char*>(&count), sizeof count);
  bytes.append(reinterpret_cast<const char*>(items.data()), items.size_bytes());
}

/// Takes what append_raw() made off the front of `bytes`. False: it is not there.
template <class Container>
bool take_raw(std::string_view& bytes, Container& items) {
  using Item = std::ranges::range_value_t<Container>;
  static_assert(std::is_trivially_copyable_v<Item>);
  std::uint64_t count = 0;
  if (bytes.size() < sizeof count) return false;
  bytes.copy(reinterpret_cast<char*>(&count), sizeof count);
  bytes.remove_prefix(sizeof count);
  if (count > bytes.size() / sizeof(Item)) return false;
  items.resize(static_cast<std::size_t>(count));
  const std::size_t size = items.size() * sizeof(Item);
  bytes.copy(reinterpret_cast<char*>(items.data()), size);
  bytes.remove_prefix(size);
  return true;
}

}  // namespace arenacache::vfs
