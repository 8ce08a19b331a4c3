// SPDX-License-Identifier: Apache-2.0
// Buffer: page-aligned bytes that one owner holds; given back to the kernel (not to the heap) when it ends, so that a burst
// of fills does not stay in the daemon's RSS. Allocation is mmap; small ones are pooled per size by nobody: keep them large. From 2 MiB
// on the kernel is asked for huge pages, which it gives in a third of the time.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace arenacache::base {

class Buffer {
 public:
  Buffer() = default;
  /// `size` bytes, zeroed by the kernel. Aborts when the machine has no memory left, as operator new would.
  explicit Buffer(std::size_t size);
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  [[nodiscard]] std::span<std::byte> span() { return {data_, size_}; }
  [[nodiscard]] std::span<const std::byte> span() const { return {data_, size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace arenacache::base
