// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/buffer.h"

#include <sys/mman.h>

#include <cstddef>
#include <utility>

#include "arenacache/base/result.h"

namespace arenacache::base {

Buffer::Buffer(std::size_t size) : size_(size) {
  if (size == 0) return;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  AC_CHECK(memory != MAP_FAILED);
  data_ = static_cast<std::byte*>(memory);
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  Buffer taken(std::move(other));
  std::swap(data_, taken.data_);
  std::swap(size_, taken.size_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace arenacache::base
