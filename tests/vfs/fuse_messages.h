// SPDX-License-Identifier: Apache-2.0
// What the kernel says to a worker, and is told, as bytes. Threads: any.
#pragma once

#include <linux/fuse.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "arenacache/base/result.h"
#include "support/fuse_kernel.h"

namespace arenacache::test {

/// One of linux/fuse.h's structures as bytes of a message.
template <class T>
std::string bytes_of(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

template <class T>
T begin_of(std::span<const std::byte> bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  AC_CHECK(bytes.size() >= sizeof(T));
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

template <class T>
T begin_of(const std::string& body) {
  return begin_of<T>(std::as_bytes(std::span(body)));
}

/// As Linux 6.12 says it.
inline Request init_request() {
  std::string body = bytes_of(fuse_init_in{
      .major = 7, .minor = 41, .max_readahead = 128U << 10U, .flags = 0x73FFFFFBU, .flags2 = 0xFFU, .unused = {}});
  return {.opcode = FUSE_INIT, .node = 0, .body = std::move(body)};
}

inline std::string name_body(const std::string& name) { return name + '\0'; }

}  // namespace arenacache::test
